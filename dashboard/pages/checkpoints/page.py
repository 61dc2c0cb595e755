"""The page "Checkpoints": own files become a suite by clicking, published suites are fetched. For the owner only."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import PlainValidator, ValidationInfo
from typing_extensions import TypedDict

from core.errors import BadInput
from core.paths import home
from core.problem.examine import check
from core.problem.validation import as_json
from core.progress import Remembered
from core.suite import browse
from core.suite import draft as drafts
from core.suite.fetch import fetch_suite
from core.suite.find import find
from core.suite.roots import add_root, remove_root, roots
from core.suite.scan import scan, suggest
from core.tasks.zip_upload import unpack
from dashboard.context import Context
from dashboard.door import Desk, Done, owners
from dashboard.pages.checkpoints import plain
from dashboard.pages.checkpoints.chores import Chore, Chores
from dashboard.pages.checkpoints.published import Row, rows
from dashboard.pages.page import Page
from dashboard.security.files import taken


def _text(value: object, info: ValidationInfo) -> str:
    if not isinstance(value, str) or not value.strip() or len(value) > 4096:
        raise BadInput(f"`{info.field_name}` should be a short text. Found {str(value)[:60]!r}.")
    return value.strip()


Text = Annotated[str, PlainValidator(_text)]


class Folders(TypedDict):
    """The folders that are looked into."""

    folders: list[str]


class Prompts(TypedDict):
    """A set of templates with class names."""

    name: str
    title: str
    classes: int


class Going(TypedDict):
    """The work that is being done, or was."""

    chore: Chore | None


class Level(TypedDict):
    """Some of what lies in a folder; `left` entries come after these."""

    folders: list[str]
    files: list[str]
    pictures: int
    left: int


class Bench(Folders, Going):
    """All that the page begins with."""

    published: list[Row]
    prompts: list[Prompts]


class Kept(TypedDict):
    """A suite file."""

    suite: str
    path: str


class Looked(TypedDict):
    """Comes of a check: what stands in the way, as `core.problem.validation.as_json` has it, and what is doubtful."""

    complaints: list[dict[str, Any]]
    findings: list[dict[str, Any]]


class Unpacked(TypedDict):
    """Comes of a .zip file."""

    images: list[plain.Images]
    name: str
    count: int
    skipped: list[str]


class Fetched(TypedDict):
    """Comes of fetching: what the suite still lacks."""

    suite: str
    missing: list[str]


class Workbench(Desk):
    """One per server: it owns the background work of this page."""

    def __init__(self, ctx: Context) -> None:
        super().__init__(ctx)
        self._chores = Chores(ctx.library.worker)

    @owners
    def bench_state(self) -> Bench:
        """Folders, published suites, and the work that is going on."""
        return {
            "folders": [str(folder) for folder in roots()],
            "published": rows(self._ctx.suites()),
            "prompts": _prompt_sets(),
            "chore": self._chores.state(),
        }

    @owners
    def bench_folder(self, add: Text = "", remove: Text = "") -> Folders:
        """Remember the folder `add`, or forget the folder `remove`."""
        if remove:
            remove_root(remove)
        if add:
            add_root(add)
        return {"folders": [str(folder) for folder in roots()]}

    @owners
    def bench_level(self, folder: Text, begin: int = 0) -> Level:
        """What lies directly in one of the remembered folders or below it, from entry `begin` on."""
        found = browse.level(browse.allowed(folder, roots()), roots(), begin)
        return {
            "folders": list(found.folders),
            "files": list(found.files),
            "pictures": found.pictures,
            "left": found.left,
        }

    @owners
    def bench_scan(self, folder: Text, add: bool = False) -> Done:
        """Look into one of the remembered folders, or at what lies below; `add`: to what was found before."""
        known = browse.allowed(folder, roots())

        def work(told: Remembered) -> plain.Looked:
            found = scan(known, told)
            above = next((root for root in roots() if found.root.is_relative_to(root)), found.root)
            return plain.scan(found, suggest(found), above if add else found.root)

        self._chores.begin("add" if add else "scan", f"looking into `{known.name}`", work)
        return {"ok": True}

    @owners
    def bench_check(self, draft: dict[str, Any]) -> Done:
        """Hold every file of a draft against its base; the result is a list of complaints and one of findings."""
        suite = drafts.as_suite(draft)  # Mistakes of the form are told at once.

        def work(told: Remembered) -> Looked:
            found = check(suite, progress=told)
            return {"complaints": as_json(found.complaints), "findings": [one.plain() for one in found.findings]}

        self._chores.begin("check", f"checking `{suite.name}`", work)
        return {"ok": True}

    @owners
    def bench_save(self, draft: dict[str, Any], replace: bool = False) -> Kept:
        """Write the suite file of a draft; `replace` allows to overwrite one."""
        path = drafts.save(draft, replace=replace)
        return {"suite": path.stem, "path": str(path)}

    @owners
    def bench_unpack(self, upload: Text, name: Text, skip: bool = False) -> Done:
        """Turn the uploaded .zip file `upload` into the images `name` in Mergescope's own folder."""
        archive = taken(upload)
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,63}", name):
            raise BadInput(f"`name` should be letters, digits, `_`, `-` and `.`. Found `{name[:60]}`.")
        folder = home() / "images"

        def work(told: Remembered) -> Unpacked:
            folder.mkdir(parents=True, exist_ok=True)
            try:
                done = unpack(archive, folder / name, told, skip_unreadable=skip)
            finally:
                archive.unlink(missing_ok=True)
            add_root(str(folder))
            found = plain.images(scan(folder), folder)
            return {"images": found, "name": name, "count": done.images, "skipped": list(done.skipped)}

        self._chores.begin("unpack", f"unpacking `{name}`", work)
        return {"ok": True}

    @owners
    def bench_fetch(self, suite: Text) -> Done:
        """Fetch what a suite lacks from the hub."""
        file = self._ctx.library.suite(suite)

        def work(told: Remembered) -> Fetched:
            told.start("Asking the hub for sizes", None)
            fetch_suite(file, progress=told)
            return {"suite": file.name, "missing": find(str(file.path)).missing()}

        self._chores.begin("fetch", f"fetching `{file.name}`", work)
        return {"ok": True}

    @owners
    def bench_poll(self) -> Going:
        """How far the work is."""
        return {"chore": self._chores.state()}

    @owners
    def bench_cancel(self) -> Done:
        """Stop the work; what was fetched is kept."""
        self._chores.cancel()
        return {"ok": True}


def _prompt_sets() -> list[Prompts]:
    from core.tasks.prompts import prompt_set, prompt_sets

    found = map(prompt_set, prompt_sets())
    return [{"name": one.name, "title": one.title, "classes": len(one.classes)} for one in found]


PAGE = Page(
    "Checkpoints",
    "checkpoints",
    (Workbench,),
    template='<div class="ms-bench ms-form ms-stack"></div>',
    charts=False,
    owner_only=True,
)
