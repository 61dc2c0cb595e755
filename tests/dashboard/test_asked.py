"""What came from a browser: a value of another kind, or too large a one, is refused by name."""

from __future__ import annotations

from typing import Any

import pytest

from core.errors import BadInput
from dashboard.asked import one_of, text
from tests.dashboard.conftest import Site


@pytest.mark.parametrize("value", [None, 3, ["a"], {"a": 1}, "a\nb", "a\x00", "\u202e", "x" * 101])
def test_a_text_is_one_line_of_letters_that_can_be_seen(value: Any) -> None:
    with pytest.raises(BadInput, match="`name` should be at most 100 printable characters"):
        text(value, "name")
    assert text("  λ of run 3 ", "name") == "λ of run 3"


@pytest.mark.parametrize("value", [None, ["csv"], {"csv": 1}, "CSV", ""])
def test_a_word_is_one_of_those_that_are_known(value: Any) -> None:
    with pytest.raises(BadInput, match="`format` should be one of csv, json"):
        one_of(value, "format", ("csv", "json"))
    assert one_of("json", "format", ("csv", "json")) == "json"


def test_a_view_link_to_what_is_no_run_is_refused_and_not_one_to_all_runs(dashboard_site: Site) -> None:
    owner, before = dashboard_site.owner(), dashboard_site.ctx.access.links()
    for run in ({"id": "0" * 12}, ["0" * 12], 0, None):
        assert "`run` should be" in owner.call("share_create", run=run, days=1)["error"]
    assert dashboard_site.ctx.access.links() == before
