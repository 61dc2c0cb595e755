"""What the page Studies asks the server for."""

from __future__ import annotations

from typing import Any

from core import studies
from core.errors import BadInput
from core.progress import Progress
from core.settings import parse
from core.store import ACTIVE, StudyRecord
from core.studies import Study
from core.studies.engine import files
from core.studies.engine.cells import Cell
from core.studies.engine.cost import image_seconds, test_images, weight
from core.studies.engine.execution import result_of
from core.studies.engine.scope import StudyOptions
from core.suite.find import SuiteFile
from dashboard.asked import one_of
from dashboard.context import Context, NotVisible
from dashboard.studies import file, view
from dashboard.ui import duration

FORMATS = (*files.FORMATS, "html")


class StudyDesk:
    """Studies of one context. Who sees one run only sees no study: it would show the others."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx

    def listing(self, args: Any, request: Any) -> dict[str, Any]:
        """Every study with where it stands on a suite."""
        self._require_whole_view(request)
        suite = self._suite(args)
        records = self._ctx.store.studies.listing(suite=suite)
        latest: dict[str, StudyRecord] = {}
        for record in records:
            latest.setdefault(record.name, record)
        names = {record.suite for record in self._ctx.store.studies.listing()} | {suite, self._ctx.suite}
        return {
            "suite": suite,
            "suites": self._ctx.menu(names | set(self._ctx.suites())),
            "studies": [self._card(studies.get(name), latest.get(name)) for name in studies.names()],
            "owner": self._ctx.is_owner(request) and self._ctx.jobs is not None,
        }

    def estimate(self, args: Any, request: Any) -> dict[str, Any]:
        """Runs and seconds of every study on a suite: `{"pending": {}}` until the machine's speed was measured once."""
        suite = self._ctx.library.suite(self._suite(args))
        options = self._options(args)
        library = self._ctx.library

        def measure(told: Progress) -> tuple[float, dict[str, int]]:
            problem = library.problem(suite.name, progress=told)
            return image_seconds(problem), test_images(problem)

        speed = library.later(("study speed", *library.identity(suite)), measure, again=bool(args.get("again")))
        if speed.pending:
            return {"pending": {"label": "Measuring this machine", "done": 0, "total": 0}}
        if speed.error:
            return {"error": speed.error}
        seconds, images = speed.value

        def cost() -> dict[str, dict[str, Any]]:
            found = {}
            for name in studies.names():
                try:
                    cells = _plan(studies.get(name), suite, options)
                except BadInput as error:
                    found[name] = {"runs": 0, "text": str(error)}
                    continue
                total = sum(weight(cell, images) for cell in cells) * seconds
                found[name] = {"runs": len(cells), "text": f"{len(cells)} runs, about {duration(total)}"}
            return found

        key = ("study costs", suite.name, repr(options.model_dump(mode="json")), seconds)
        return {"costs": library.remember(key, suite, cost)}

    def start(self, args: Any, request: Any) -> dict[str, Any]:
        """Queue a study, or go on with it."""
        self._ctx.writing_jobs()
        study, suite = studies.get(str(args.get("study"))[:40]), self._ctx.library.suite(self._suite(args))
        options = self._options(args)
        cells = _plan(study, suite, options)
        return {"id": self._ctx.studies.start(study, suite, options, cells)}

    def cancel(self, args: Any, request: Any) -> dict[str, Any]:
        """Stop a study; its finished runs stay."""
        self._ctx.writing_jobs()
        self._ctx.studies.cancel(self._record(args, request).id)
        return {"ok": True}

    def result(self, args: Any, request: Any) -> dict[str, Any]:
        """What a study has found so far, ready to be shown."""
        record, study, suite = self._found(args, request)
        result = result_of(self._ctx.store, record, study, suite)
        return view.result(result) | {"card": self._card(study, record), "said": files.said(study, record)}

    def text(self, args: Any, request: Any) -> dict[str, Any]:
        """One of the files of a study."""
        record, study, suite = self._found(args, request)
        kind = one_of(args.get("format"), "format", FORMATS)
        if kind == "html":
            body = file.html(study, record, result_of(self._ctx.store, record, study, suite))
            return {"text": body, "name": f"mergescope-{study.name}-{record.suite}.html"}
        body = files.text(kind, self._ctx.store, study, suite, record)
        return {"text": body, "name": f"mergescope-{study.name}-{record.suite}{files.FORMATS[kind]}"}

    def _card(self, study: Study, record: StudyRecord | None) -> dict[str, Any]:
        state = None
        if record is not None:
            runs = self._ctx.store.studies.runs_of(str(cell.get("key", "")) for cell in record.cells)
            standing = self._ctx.studies.standing(record.id) if self._ctx.studies is not None else None
            active = record.status in ACTIVE
            state = view.state(record, runs, standing if active else None)
        facts = {"name": study.name, "title": study.title, "question": study.question, "paper": study.paper}
        return facts | {"state": state}

    def _found(self, args: Any, request: Any) -> tuple[StudyRecord, Study, SuiteFile]:
        record = self._record(args, request)
        return record, studies.get(record.name), self._ctx.library.suite(record.suite)

    def _record(self, args: Any, request: Any) -> StudyRecord:
        self._require_whole_view(request)
        return self._ctx.store.studies.get(str(args.get("id"))[:40])

    def _suite(self, args: Any) -> str:
        return self._ctx.library.suite(str(args.get("suite") or self._ctx.suite)).name

    def _options(self, args: Any) -> StudyOptions:
        given = args.get("options") or {}
        if not isinstance(given, dict):
            raise BadInput("`options` should be a mapping. Reload the page.")
        return parse(StudyOptions, {str(name): value for name, value in given.items()}, "study")

    def _require_whole_view(self, request: Any) -> None:
        if self._ctx.allowed(request) is not None:
            raise NotVisible("Studies are not part of this link, which shows single runs.")


def _plan(study: Study, suite: SuiteFile, options: StudyOptions) -> list[Cell]:
    scope = study.scope(suite, options)
    cells = study.plan(scope)
    scope.require_known_settings(cells)
    return cells
