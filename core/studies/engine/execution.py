"""Carries out a study: finished cells are kept, interrupted ones go on, failed ones do not stop the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

from core.control import Control
from core.errors import BadInput, Cancelled, MergescopeError, told
from core.problem.problem import Problem
from core.progress import Remembered, Standing
from core.runs.places import Place
from core.settings import parse
from core.store import Store, StudyRecord
from core.studies import Study
from core.studies.engine.cells import Cell
from core.studies.engine.cost import test_images, weight
from core.studies.engine.done import Done
from core.studies.engine.result import Result
from core.studies.engine.scope import StudyOptions
from core.suite.find import SuiteFile


def register(store: Store, study: Study, suite: SuiteFile, options: StudyOptions, cells: Sequence[Cell]) -> str:
    """The stored study of this question on this suite with these options; made where there is none. Returns its id."""
    plain, wanted, origin = [cell.plain() for cell in cells], options.model_dump(mode="json"), suite.origin
    for record in store.studies.listing(suite=suite.name, name=study.name):
        known = [{name: value for name, value in cell.items() if name != "key"} for cell in record.cells]
        if record.options == wanted and known == plain and record.origin == origin:
            return record.id
    return store.studies.create(name=study.name, suite=suite.name, origin=origin, options=wanted, cells=plain)


def cells_of(record: StudyRecord) -> list[Cell]:
    """The cells of a stored study."""
    return [Cell.from_plain(values) for values in record.cells]


def done_cells(store: Store, record: StudyRecord) -> list[Done]:
    """Every cell with its report, where there is one."""
    keys = [str(values.get("key", "")) for values in record.cells]
    runs = store.studies.runs_of(keys)
    found = []
    for cell, key in zip(cells_of(record), keys, strict=True):
        run = runs.get(key)
        if run is None:
            found.append(Done(cell))
        else:
            report = run.report if run.status == "done" else None
            found.append(Done(cell, report, run.error or "" if run.status == "failed" else "", run.id))
    return found


def result_of(store: Store, record: StudyRecord, study: Study, suite: SuiteFile) -> Result:
    """What a stored study has found so far."""
    scope = study.scope(suite, parse(StudyOptions, record.options, "study"))
    return study.result(scope, done_cells(store, record))


def execute(
    store: Store,
    study_id: str,
    opened: AbstractContextManager[tuple[Problem, Place]],
    *,
    control: Control,
    watch: Callable[[Standing], None] = lambda _standing: None,
) -> None:
    """Run what is missing of a study: `opened` gives its whole suite, and where its runs are carried out.

    A failed cell is noted and the others go on. `Cancelled` and KeyboardInterrupt become the study's status and pass.
    """
    with _noted(store, study_id, control), opened as (problem, place):
        record = store.studies.get(study_id)
        cells = cells_of(record)
        keys = [cell.key(problem, **place.how) for cell in cells]
        with_keys = [cell.plain() | {"key": key} for cell, key in zip(cells, keys, strict=True)]
        store.studies.describe(study_id, cells=with_keys, status="running", error=None)
        images = test_images(problem)
        weights = [weight(cell, images) for cell in cells]
        clock, failures, done = Remembered(), list[str](), 0
        clock.start(record.name, sum(weights))

        def run_of(number: int) -> str | None:
            nonlocal done
            control.tick()
            cell, known = cells[number], store.studies.runs_of([keys[number]]).get(keys[number])
            if known is not None and known.status == "done":
                clock.skip(weights[number])
                done += 1
                return None
            watch(Standing(cell.title, done + len(failures), len(cells), clock.left))
            name = f"{record.name}: {cell.title}"
            spec = cell.spec(problem, origin=record.origin, name=name, **place.how)
            return known.id if known is not None else spec.create(store, cell=True)

        for number, _, failure in place.each(len(cells), run_of):
            if failure is None:
                done += 1
            else:
                failures.append(f"{cells[number].title}: {told(failure)}")
            clock.advance(weights[number])
            watch(Standing(cells[number].title, done + len(failures), len(cells), clock.left))
        watch(Standing("", len(cells), len(cells), 0.0))
        summary = f"{len(failures)} of {len(cells)} runs failed. First: {failures[0]}" if failures else None
        store.studies.describe(study_id, status="failed" if len(failures) == len(cells) else "done", error=summary)


@contextmanager
def _noted(store: Store, study_id: str, control: Control) -> Iterator[None]:
    """A block whose failure becomes the status of a study; the failure itself passes."""
    try:
        yield
    except Cancelled:
        store.studies.describe(study_id, status="interrupted" if control.interrupted else "cancelled")
        raise
    except MergescopeError as error:
        store.studies.describe(study_id, status="failed", error=str(error))
        raise
    except BaseException:
        store.studies.describe(study_id, status="interrupted")
        raise


def tasks_of(study: Study, suite: SuiteFile, cells: Sequence[Cell]) -> list[str]:
    """The tasks that the cells need, in the suite's order; raises `BadInput` where the choice leaves nothing to run."""
    if not cells:
        raise BadInput(
            f"Study `{study.name}` should have at least one run. Found none for these tasks and methods; choose others."
        )
    named = {task for cell in cells for task in (*cell.tasks, *cell.unseen)}
    return [task.name for task in suite.tasks if task.name in named]
