"""What the page "Checkpoints" asks the server for. All of it is the owner's: the page is not in the read-only view."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from core.errors import BadInput
from core.paths import home
from core.problem.examine import check
from core.problem.validation import as_json
from core.progress import Remembered
from core.suite import draft
from core.suite.fetch import fetch_suite
from core.suite.find import find
from core.suite.roots import add_root, remove_root, roots
from core.suite.scan import scan
from core.suite.suggest import suggest
from core.tasks.zip_upload import unpack
from dashboard.context import Context
from dashboard.security.uploads import taken
from dashboard.serving import Call
from dashboard.workbench import plain
from dashboard.workbench.chores import Chores
from dashboard.workbench.published import rows


class Workbench:
    """One per server: it owns the background work of this page."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._chores = Chores(ctx.library.worker)

    def calls(self) -> dict[str, Call]:
        """The server functions."""
        return {
            "bench_state": self.state,
            "bench_folder": self.folder,
            "bench_scan": self.scan,
            "bench_check": self.check,
            "bench_save": self.save,
            "bench_unpack": self.unpack,
            "bench_fetch": self.fetch,
            "bench_poll": self.poll,
            "bench_cancel": self.cancel,
        }

    def state(self, args: dict[str, Any], request: Any) -> dict[str, Any]:
        """Folders, published suites, and the work that is going on."""
        return {
            "folders": [str(folder) for folder in roots()],
            "published": rows(self._ctx.suites()),
            "prompts": _prompt_sets(),
            "chore": self._chores.state(),
        }

    def folder(self, args: dict[str, Any], request: Any) -> dict[str, Any]:
        """Remember the folder `add`, or forget the folder `remove`."""
        if "remove" in args:
            remove_root(_text(args, "remove"))
        else:
            add_root(_text(args, "add"))
        return {"folders": [str(folder) for folder in roots()]}

    def scan(self, args: dict[str, Any], request: Any) -> dict[str, Any]:
        """Look into one of the remembered folders."""
        folder = self._known_folder(_text(args, "folder"))

        def work(told: Remembered) -> dict[str, Any]:
            found = scan(folder, told)
            return plain.scan(found, suggest(found))

        self._chores.begin("scan", f"looking into `{folder.name}`", work)
        return {}

    def check(self, args: dict[str, Any], request: Any) -> dict[str, Any]:
        """Hold every file of a draft against its base; the result is a list of complaints and one of findings."""
        suite = draft.as_suite(_draft(args))  # Mistakes of the form are told at once.

        def work(told: Remembered) -> dict[str, Any]:
            found = check(suite, progress=told)
            return {"complaints": as_json(found.complaints), "findings": [one.plain() for one in found.findings]}

        self._chores.begin("check", f"checking `{suite.name}`", work)
        return {}

    def save(self, args: dict[str, Any], request: Any) -> dict[str, Any]:
        """Write the suite file of a draft; `replace` allows to overwrite one."""
        path = draft.save(_draft(args), replace=args.get("replace") is True)
        return {"suite": path.stem, "path": str(path)}

    def unpack(self, args: dict[str, Any], request: Any) -> dict[str, Any]:
        """Turn the uploaded .zip file `upload` into the images `name` in Mergescope's own folder."""
        archive, name = taken(_text(args, "upload")), _text(args, "name")
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,63}", name):
            raise BadInput(f"`name` should be letters, digits, `_`, `-` and `.`. Found `{name[:60]}`.")
        folder = home() / "images"

        def work(told: Remembered) -> dict[str, Any]:
            folder.mkdir(parents=True, exist_ok=True)
            try:
                done = unpack(archive, folder / name, told, skip_unreadable=args.get("skip") is True)
            finally:
                archive.unlink(missing_ok=True)
            add_root(str(folder))
            found = plain.images(scan(folder))
            return {"images": found, "name": name, "count": done.images, "skipped": list(done.skipped)}

        self._chores.begin("unpack", f"unpacking `{name}`", work)
        return {}

    def fetch(self, args: dict[str, Any], request: Any) -> dict[str, Any]:
        """Fetch what a suite lacks from the hub."""
        suite = self._ctx.library.suite(_text(args, "suite"))

        def work(told: Remembered) -> dict[str, Any]:
            told.start("Asking the hub for sizes", None)
            fetch_suite(suite, progress=told)
            return {"suite": suite.name, "missing": find(str(suite.path)).missing()}

        self._chores.begin("fetch", f"fetching `{suite.name}`", work)
        return {}

    def poll(self, args: dict[str, Any], request: Any) -> dict[str, Any]:
        """How far the work is."""
        return {"chore": self._chores.state()}

    def cancel(self, args: dict[str, Any], request: Any) -> dict[str, Any]:
        """Stop the work; what was fetched is kept."""
        self._chores.cancel()
        return {}

    def _known_folder(self, named: str) -> Path:
        for folder in roots():
            if str(folder) == named:
                return folder
        raise BadInput(f"`{named[:200]}` should be one of the folders listed on this page. Add it first.")


def _draft(args: Mapping[str, Any]) -> Mapping[str, Any]:
    wanted = args.get("draft")
    if not isinstance(wanted, Mapping):
        raise BadInput("`draft` should be a mapping with `name`, `base` and `tasks`. Reload the page.")
    return wanted


def _text(args: Mapping[str, Any], name: str) -> str:
    value = args.get(name)
    if not isinstance(value, str) or not value.strip() or len(value) > 4096:
        raise BadInput(f"`{name}` should be a short text. Found {str(value)[:60]!r}.")
    return value.strip()


def _prompt_sets() -> list[dict[str, Any]]:
    from core.tasks.prompts import prompt_set, prompt_sets

    found = map(prompt_set, prompt_sets())
    return [{"name": one.name, "title": one.title, "classes": len(one.classes)} for one in found]
