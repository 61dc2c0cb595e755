"""The frame around the pages: the current run, the tabs, events with the house's settings, messages."""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Callable, Sequence
from html import escape
from typing import Any

import gradio as gr

from core.errors import MergescopeError

log = logging.getLogger("mergescope.dashboard")

# `bring` asks again: while a page is being built Gradio may not listen yet.
_BUS = """
const ms = window.mergescope;
const show = (tab, run) => trigger('show_' + tab, {tab, run});
let shown = '';
function refresh() {
  const key = ms.tab + ' ' + ms.run;
  if (key === shown) return;
  shown = key;
  queueMicrotask(() => show(ms.tab, ms.run));
}
function take(run) { if (props.value !== run) { props.value = run; trigger('change'); } }
ms.on('run', (run) => { take(run); refresh(); });
let asking = null;
function bring(tries) {
  clearTimeout(asking);
  if (ms.shows(ms.tab) || tries > 100) return;
  trigger('goto', {tab: ms.tab});
  asking = setTimeout(() => bring(tries + 1), 200);
}
ms.on('tab', () => { bring(0); refresh(); });
watch('value', () => { if (props.value !== ms.run) ms.select(props.value); });
if (ms.run) { take(ms.run); }
bring(0);
refresh();
"""


def _bus(tabs: Sequence[str]) -> gr.HTML:
    """The hidden component that carries the current run between browser and server."""
    names = ", ".join(f"'show_{tab}'" for tab in tabs)
    return gr.HTML(
        "",
        html_template="<span></span>",
        js_on_load=f"/* {names} 'goto' */{_BUS}",
        elem_id="ms-bus",
        elem_classes="ms-hidden",
        apply_default_css=False,
    )


class PageShell:
    """See `dashboard.context.Shell`, which it fulfils."""

    def __init__(self, tab_ids: Sequence[str]) -> None:
        """Create the hidden component; call inside `gr.Blocks`."""
        self.run = _bus(tab_ids)
        self._tab_ids = tuple(tab_ids)

    def on_show(
        self, tab_id: str, fn: Callable[..., Any], inputs: Sequence[Any] = (), outputs: Sequence[Any] = ()
    ) -> None:
        """Call `fn(run_id, *inputs)` when the tab opens, and when the run changes while it is open."""
        self.event(getattr(self.run, f"show_{tab_id}"), fn, [self.run, *inputs], outputs)

    def on_click(
        self,
        component: Any,
        fn: Callable[..., Any],
        inputs: Sequence[Any] = (),
        outputs: Sequence[Any] = (),
        **options: Any,
    ) -> Any:
        """`component.click` with the house's settings."""
        return self.event(component.click, fn, inputs, outputs, **options)

    def event(
        self,
        listener: Callable[..., Any],
        fn: Callable[..., Any],
        inputs: Sequence[Any] = (),
        outputs: Sequence[Any] = (),
        **options: Any,
    ) -> Any:
        """Register `fn`: private in the API, no queue, no progress veil, errors of the engine as messages."""
        settings = {"queue": False, "show_progress": "hidden", "api_visibility": "private"} | options
        return listener(self.guarded(fn), list(inputs) or None, list(outputs) or None, **settings)

    def guarded(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        """`fn` whose named errors become messages on the page; everything else is logged and told in general words."""
        if inspect.isgeneratorfunction(fn):

            @functools.wraps(fn)
            def generator(*args: Any) -> Any:
                try:
                    yield from fn(*args)
                except MergescopeError as error:
                    raise gr.Error(escape(str(error)), title="That did not work", print_exception=False) from None

            return generator

        @functools.wraps(fn)
        def call(*args: Any) -> Any:
            try:
                return fn(*args)
            except MergescopeError as error:
                raise gr.Error(escape(str(error)), title="That did not work", print_exception=False) from None

        return call

    def go(self, tab_id: str) -> str:
        """JavaScript for an event's `js=` that opens the tab."""
        return f"() => window.mergescope.open('{self._known(tab_id)}')"

    def follow(self, tab_id: str) -> str:
        """JavaScript for the `select` of a tab: Gradio shows it now, so it becomes the current one."""
        return f"() => window.mergescope.follow('{self._known(tab_id)}')"

    def _known(self, tab_id: str) -> str:
        if tab_id not in self._tab_ids:
            raise ValueError(f"`tab_id` should be one of {self._tab_ids}. Found `{tab_id}`.")
        return tab_id

    def tell(self, text: str, kind: str = "info") -> None:
        """Show a short message on the caller's page."""
        {"info": gr.Info, "warning": gr.Warning, "error": gr.Warning}[kind](escape(text))
