"""The page "Studies": questions that take many runs, and the guide to the methods."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from fastapi import Request
from pydantic import PlainValidator
from typing_extensions import TypedDict

from core import studies
from core.cluster.connection import missing
from core.errors import BadInput
from core.progress import Progress, Standing
from core.settings import parse
from core.store import ACTIVE, StudyRecord
from core.studies import Study
from core.studies.engine import files
from core.studies.engine.cells import Cell
from core.studies.engine.cost import image_seconds, test_images, weight
from core.studies.engine.execution import result_of
from core.studies.engine.scope import StudyOptions
from core.suite.find import SuiteFile
from dashboard.asked import Line, one_of
from dashboard.context import NotVisible
from dashboard.door import Desk, Done, Failed, File, Pending, everybodys, owners
from dashboard.pages.page import Page
from dashboard.pages.studies import file, view
from dashboard.pages.studies.guide import Guide
from dashboard.ui import duration

FORMATS = (*files.FORMATS, "html")


def _options(given: object) -> StudyOptions:
    if given is not None and not isinstance(given, dict):
        raise BadInput("`options` should be a mapping. Reload the page.")
    return parse(StudyOptions, given or {}, "study")


Options = Annotated[StudyOptions, PlainValidator(_options)]
Id = Annotated[str, PlainValidator(lambda given: str(given)[:40])]


class Card(TypedDict):
    """A study, and where it stands on the suite."""

    name: str
    title: str
    question: str
    paper: str
    state: view.State | None


class Listed(TypedDict):
    """All studies on one suite; `suites` are names with titles."""

    suite: str
    suites: list[tuple[str, str]]
    studies: list[Card]
    owner: bool
    alone: str
    """Why nothing but this machine can be chosen; empty where Ray is installed."""


class Cost(TypedDict):
    """What a study takes, or why it can't be planned."""

    runs: int
    text: str


class Costs(TypedDict):
    """That of each study by name."""

    costs: dict[str, Cost]


class Started(TypedDict):
    """The id of the study in the store."""

    id: str


class Found(view.Shows):
    """What a study has found, and what to know of it."""

    card: Card
    said: str


class StudyDesk(Desk):
    """Studies of one context. Who sees one run only sees no study: it would show the others."""

    @everybodys
    def studies(self, request: Request, suite: Line = "") -> Listed:
        """Every study with where it stands on a suite."""
        self._require_whole_view(request)
        suite = self._suite(suite).name
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
            "alone": missing(),
        }

    @owners
    def study_estimate(self, options: Options, suite: Line = "", again: bool = False) -> Costs | Pending | Failed:
        """Runs and seconds of every study on a suite, once the machine's speed was measured."""
        library, file = self._ctx.library, self._suite(suite)

        def measure(told: Progress) -> tuple[float, dict[str, int]]:
            problem = library.problem(file.name, progress=told)
            return image_seconds(problem), test_images(problem)

        speed = library.later(("study speed", *library.identity(file)), measure, again=again)
        if speed.pending:
            return {"pending": Standing("Measuring this machine", 0, 0, None)}
        if speed.error:
            return {"error": speed.error}
        seconds, images = speed.value

        def cost() -> dict[str, Cost]:
            found: dict[str, Cost] = {}
            for name in studies.names():
                try:
                    cells = _plan(studies.get(name), file, options)
                except BadInput as error:
                    found[name] = {"runs": 0, "text": str(error)}
                    continue
                total = sum(weight(cell, images) for cell in cells) * seconds
                found[name] = {"runs": len(cells), "text": f"{len(cells)} runs, about {duration(total)}"}
            return found

        key = ("study costs", file.name, repr(options.model_dump(mode="json")), seconds)
        return {"costs": library.remember(key, file, cost)}

    @owners
    def study_start(self, study: Line, options: Options, suite: Line = "", on: Line = "") -> Started:
        """Queue a study, or go on with it; `on`: the address of a Ray cluster."""
        self._ctx.writing_jobs()
        chosen, file = studies.get(study), self._suite(suite)
        return {"id": self._ctx.studies.start(chosen, file, options, _plan(chosen, file, options), on)}

    @owners
    def study_cancel(self, id: Id, request: Request) -> Done:
        """Stop a study; its finished runs stay."""
        self._ctx.writing_jobs()
        self._ctx.studies.cancel(self._record(id, request).id)
        return {"ok": True}

    @everybodys
    def study_result(self, id: Id, request: Request) -> Found:
        """What a study has found so far, ready to be shown."""
        record, study, suite = self._found(id, request)
        result = result_of(self._ctx.store, record, study, suite)
        return {**view.result(result), "card": self._card(study, record), "said": files.said(study, record)}

    @everybodys
    def study_text(self, id: Id, request: Request, format: object = "") -> File:
        """One of the files of a study."""
        record, study, suite = self._found(id, request)
        kind = one_of(format, "format", FORMATS)
        if kind == "html":
            body = file.html(study, record, result_of(self._ctx.store, record, study, suite))
            return {"text": body, "name": f"mergescope-{study.name}-{record.suite}.html"}
        body = files.text(kind, self._ctx.store, study, suite, record)
        return {"text": body, "name": f"mergescope-{study.name}-{record.suite}{files.FORMATS[kind]}"}

    def _card(self, study: Study, record: StudyRecord | None) -> Card:
        state = None
        if record is not None:
            runs = self._ctx.store.studies.runs_of(str(cell.get("key", "")) for cell in record.cells)
            standing = self._ctx.studies.standing(record.id) if self._ctx.studies is not None else None
            active = record.status in ACTIVE
            told = replace(record, error=self._ctx.said(record.error or ""))
            state = view.state(told, runs, standing if active else None)
        return {
            "name": study.name,
            "title": study.title,
            "question": study.question,
            "paper": study.paper,
            "state": state,
        }

    def _found(self, id: str, request: Request) -> tuple[StudyRecord, Study, SuiteFile]:
        record = self._record(id, request)
        return record, studies.get(record.name), self._ctx.library.suite(record.suite)

    def _record(self, id: str, request: Request) -> StudyRecord:
        self._require_whole_view(request)
        return self._ctx.store.studies.get(id)

    def _suite(self, name: str) -> SuiteFile:
        return self._ctx.library.suite(name or self._ctx.suite)

    def _require_whole_view(self, request: Request) -> None:
        if self._ctx.allowed(request) is not None:
            raise NotVisible("This link shows single runs, not studies.")


def _plan(study: Study, suite: SuiteFile, options: StudyOptions) -> list[Cell]:
    scope = study.scope(suite, options)
    cells = study.plan(scope)
    scope.require_known_settings(cells)
    return cells


PAGE = Page("Studies", "studies", (StudyDesk, Guide))
