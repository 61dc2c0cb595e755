"""Carries out a study: finished cells are kept, interrupted ones go on, failed ones do not stop the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from core.control import Control
from core.errors import FAULTS, BadInput, Cancelled, MergescopeError, told
from core.problem.problem import Problem
from core.progress import Progress, Remembered, Standing
from core.runs import runner
from core.runs.spec import RunSpec
from core.settings import parse
from core.store import Store, StudyRecord
from core.studies import Study
from core.studies.engine.cells import Cell
from core.studies.engine.cost import test_images, weight
from core.studies.engine.done import Done
from core.studies.engine.result import Result
from core.studies.engine.scope import StudyOptions
from core.suite.find import SuiteFile

RunCell = Callable[[str], None]
"""Executes the run of that id until it has ended; raises what stopped it."""


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
    load: Callable[[], Problem],
    run_cell: RunCell,
    *,
    control: Control,
    watch: Callable[[Standing], None] = lambda _standing: None,
) -> None:
    """Run what is missing of a study on its whole suite, which `load` gives.

    A failed cell is noted and the others go on. `Cancelled` and KeyboardInterrupt become the study's status and pass.
    """
    with _noted(store, study_id, control):
        problem, record = load(), store.studies.get(study_id)
        cells = cells_of(record)
        keys = [cell.key(problem) for cell in cells]
        with_keys = [cell.plain() | {"key": key} for cell, key in zip(cells, keys, strict=True)]
        store.studies.describe(study_id, cells=with_keys, status="running", error=None)
        images = test_images(problem)
        weights = [weight(cell, images) for cell in cells]
        clock, failures = Remembered(), []
        clock.start(record.name, sum(weights))
        for place, (cell, key) in enumerate(zip(cells, keys, strict=True)):
            control.tick()
            known = store.studies.runs_of([key]).get(key)
            if known is not None and known.status == "done":
                clock.skip(weights[place])
                continue
            watch(Standing(cell.title, place, len(cells), clock.left))
            try:
                spec = cell.spec(problem, origin=record.origin, name=f"{record.name}: {cell.title}")
                run_cell(known.id if known is not None else spec.create(store, cell=True))
            except Cancelled:
                raise
            except (MergescopeError, *FAULTS) as error:
                failures.append(f"{cell.title}: {told(error)}")
            clock.advance(weights[place])
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


def here(store: Store, problem: Problem, control: Control, progress: Progress) -> RunCell:
    """Executes runs in the calling thread, on parts of one loaded problem."""

    def run(run_id: str) -> None:
        with runner.noted(store, run_id, control):
            spec = RunSpec.stored(store.run(run_id))
            part = spec.part(problem)
        runner.execute(store, run_id, part, spec, control=control, progress=progress)

    return run


def tasks_of(study: Study, suite: SuiteFile, cells: Sequence[Cell]) -> list[str]:
    """The tasks that the cells need, in the suite's order; raises `BadInput` where the choice leaves nothing to run."""
    if not cells:
        raise BadInput(
            f"Study `{study.name}` should have at least one run. Found none for these tasks and methods; choose others."
        )
    named = {task for cell in cells for task in (*cell.tasks, *cell.unseen)}
    return [task.name for task in suite.tasks if task.name in named]
