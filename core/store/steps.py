"""Steps of a run in the store: λ, losses, the state to go on from, and accuracies."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, bindparam, delete, func, insert, select, update

from core.errors import NonFinite
from core.statistics import Evaluation, Half
from core.store.faults import Damaged
from core.store.opened import OpenedStore
from core.store.records import EvaluationRecord, StepRecord, decode, encode
from core.store.state import fetched, pack, parked, settled, unpack
from core.store.tables import CHECKPOINTS, COEFFICIENTS, EVALUATIONS, RUNS, STEPS

if TYPE_CHECKING:
    from torch import Tensor

    from core.step import Coefficients, Step
    from core.store.records import Float32


# Built once: putting a statement together takes longer than running it.
_PLACE = select(RUNS.c.groups, RUNS.c.tasks, RUNS.c.steps_done).where(RUNS.c.ordinal == bindparam("at"))
_BEFORE = select(STEPS.c.seconds, STEPS.c.samples).where(
    STEPS.c.run == bindparam("at"), STEPS.c.number == bindparam("step")
)
_STEP, _LAMBDA, _CHECKPOINT = (insert(table).prefix_with("OR REPLACE") for table in (STEPS, COEFFICIENTS, CHECKPOINTS))
_KEPT = update(RUNS).where(RUNS.c.ordinal == bindparam("at")).values(kept=bindparam("step"))
_GROUPS = update(RUNS).where(RUNS.c.ordinal == bindparam("at")).values(groups=bindparam("names"))
_TOTALS = (
    update(RUNS)
    .where(RUNS.c.ordinal == bindparam("at"))
    .values(
        seconds=RUNS.c.seconds + bindparam("more_seconds"),
        samples_seen=RUNS.c.samples_seen + bindparam("more_samples"),
        steps_done=func.max(RUNS.c.steps_done, bindparam("step")),
    )
)


class Steps(OpenedStore):
    """What a store holds of the way that its runs have gone."""

    def record(self, run_id: str, *steps: Step) -> None:
        """Store steps, λ and the state to go on from after the last, all or nothing; the run's totals change with them.

        Storing a step again replaces it. The step that carries the outcome keeps the checkpoint before it: a run that
        stops between its last step and its report then goes on with that step and gets the outcome again.
        """
        last = steps[-1]
        state = last.state() if last.state is not None and last.outcome is None else None
        state = parked(self._artefacts, run_id, last.number, state)
        with self._changing(f"Recording step {last.number} of run {run_id}", run_id, counted=False) as (
            connection,
            run,
        ):
            for step in steps:
                _recorded(connection, run, step)
            if state is not None:
                data, sha256 = pack(state)
                connection.execute(_CHECKPOINT, {"run": run, "number": last.number, "sha256": sha256, "data": data})
        settled(self._artefacts, run_id, last.number, state)

    def steps(
        self, run_id: str, since: int = -1, limit: int | None = None, coefficients: bool = True
    ) -> list[StepRecord]:
        """Steps with a number above `since`, in order, at most `limit`; λ only if `coefficients`."""
        with self._looking(f"Reading the steps of run {run_id}", run_id) as (connection, run):
            query = select(STEPS).where(STEPS.c.run == run, STEPS.c.number > since)
            rows = connection.execute(query.order_by(STEPS.c.number).limit(limit)).all()
            values = _coefficients(connection, run, rows[0].number, rows[-1].number) if rows and coefficients else {}
        try:
            return [
                StepRecord(
                    row.number,
                    decode(row.losses),
                    decode(row.entropies),
                    row.seconds,
                    row.samples,
                    values.get(row.number),
                )
                for row in rows
            ]
        except ValueError as error:
            raise Damaged(f"The steps of this run are damaged ({error}). The other runs are not affected.") from error

    def last_state(self, run_id: str) -> tuple[int, dict[str, Tensor]] | None:
        """Number and state of the step to go on after; None where the run has to begin at its beginning."""
        with self._looking(f"Reading the checkpoint of run {run_id}", run_id) as (connection, run):
            row = connection.execute(select(CHECKPOINTS).where(CHECKPOINTS.c.run == run)).one_or_none()
            found = (row.number, unpack(row.data, row.sha256)) if row else None
        return fetched(self._artefacts, run_id, found)

    def rewind(self, run_id: str) -> None:
        """Forget steps and evaluations after the checkpoint, which are about to be made again."""
        with self._changing(f"Rewinding run {run_id}", run_id) as (connection, run):
            checkpoint = connection.execute(select(CHECKPOINTS.c.number).where(CHECKPOINTS.c.run == run)).scalar()
            last = -1 if checkpoint is None else checkpoint
            for table in (STEPS, COEFFICIENTS, EVALUATIONS):
                connection.execute(delete(table).where(table.c.run == run, table.c.number > last))
            seconds, samples = totals(connection, run, last)
            values = {"seconds": seconds, "samples_seen": samples, "steps_done": max(last, 0)}
            connection.execute(update(RUNS).where(RUNS.c.ordinal == run).values(**values))

    def add_evaluation(
        self, run_id: str, step: int, evaluations: Iterable[Evaluation], full: bool = False, half: Half | None = None
    ) -> None:
        """Store what the model after `step` achieves on test images, all of them if `full`, or on a watched half."""
        with self._changing(f"Recording accuracies of run {run_id}", run_id) as (connection, run):
            _evaluated(connection, run, step, evaluations, full, half)

    def evaluations(self, run_id: str) -> list[EvaluationRecord]:
        """All stored accuracies of a run on test images, in the order of their steps."""
        return self._evaluations(run_id, halves=False)

    def watched(self, run_id: str) -> list[EvaluationRecord]:
        """How far a run agreed with the experts on the images that are watched, in the order of its steps."""
        return self._evaluations(run_id, halves=True)

    def _evaluations(self, run_id: str, halves: bool) -> list[EvaluationRecord]:
        with self._looking(f"Reading the accuracies of run {run_id}", run_id) as (connection, run):
            query = select(EVALUATIONS).where(EVALUATIONS.c.run == run, EVALUATIONS.c.kind.in_([*Half]) == halves)
            return [
                EvaluationRecord(
                    row.task, row.correct, row.total, row.entropy, row.number, bool(row.complete),
                    Half(row.kind) if halves else None, agreeing=row.agreeing, kl=row.kl,
                )
                for row in connection.execute(query.order_by(EVALUATIONS.c.number, EVALUATIONS.c.complete))
            ]  # fmt: skip


def _recorded(connection: Connection, run: int, step: Step) -> None:
    place = connection.execute(_PLACE, {"at": run}).one()
    before = None
    if step.number <= place.steps_done:
        before = connection.execute(_BEFORE, {"at": run, "step": step.number}).one_or_none()
    losses, entropies = encode(dict(step.losses)), encode(dict(step.entropies))
    row = {"run": run, "number": step.number}
    facts = {"seconds": step.seconds, "samples": step.samples, "losses": losses, "entropies": entropies}
    connection.execute(_STEP, row | facts)
    if step.coefficients is not None:
        groups, values = _checked(step.coefficients, place.groups, place.tasks)
        if groups != place.groups:
            connection.execute(_GROUPS, {"at": run, "names": groups})
        connection.execute(_LAMBDA, row | {"data": values, "sha256": _hash(values)})
    if step.kept is not None:
        connection.execute(_KEPT, {"at": run, "step": step.kept})
    for half, found in step.watched.items():
        kept = step.kept if half is Half.REPORTING else None
        _evaluated(connection, run, step.number if kept is None else kept, found, half=half)
    seconds, samples = (before.seconds, before.samples) if before else (0.0, 0)
    more = {"more_seconds": step.seconds - seconds, "more_samples": step.samples - samples}
    connection.execute(_TOTALS, {"at": run, "step": step.number, **more})


def totals(connection: Connection, run: int, last: int) -> tuple[float, int]:
    """Seconds and images of a run's steps up to number `last`."""
    sums = select(func.coalesce(func.sum(STEPS.c.seconds), 0.0), func.coalesce(func.sum(STEPS.c.samples), 0))
    seconds, samples = connection.execute(sums.where(STEPS.c.run == run, STEPS.c.number <= last)).one()
    return seconds, samples


def _evaluated(
    connection: Connection,
    run: int,
    step: int,
    found: Iterable[Evaluation],
    full: bool = False,
    half: Half | None = None,
) -> None:
    # Those of all images stand beside the sample's, which may have been taken after the same step.
    of = {"split": "test", "kind": "full" if full else "merged"} if half is None else {"split": "", "kind": half.value}
    for one in found:
        if not math.isfinite(one.entropy):
            raise NonFinite(
                f"The answers on `{one.task}` should be finite numbers. Found an entropy of {one.entropy}: weights of "
                "the merged model or of an expert are too large. Check that task's expert, or lower λ."
            )
        key = {"run": run, "number": step, "task": one.task, **of}
        connection.execute(delete(EVALUATIONS).where(*(EVALUATIONS.c[name] == value for name, value in key.items())))
        facts = {name: getattr(one, name) for name in ("correct", "total", "entropy", "agreeing", "kl")}
        connection.execute(insert(EVALUATIONS).values(complete=int(full), **key, **facts))


def _checked(coefficients: Coefficients, groups: str, tasks: str) -> tuple[str, bytes]:
    """Encoded names of the groups, and λ's bytes, if λ is of the run's tasks and groups."""
    shape = (len(coefficients.groups), len(coefficients.tasks))
    values = coefficients.values.detach().cpu().numpy().astype("<f4")
    found = encode(list(coefficients.groups))
    if encode(list(coefficients.tasks)) != tasks:
        raise ValueError(f"λ belongs to the tasks {list(coefficients.tasks)}, the run to {tasks}")
    if groups not in ("[]", found):
        raise ValueError("the groups of λ changed within a run")
    if values.shape != shape:
        raise ValueError(f"λ has shape {values.shape}, expected {shape}")
    return found, values.tobytes()


def _coefficients(connection: Connection, run: int, first: int, last: int) -> dict[int, Float32]:
    import numpy as np

    groups, tasks = connection.execute(select(RUNS.c.groups, RUNS.c.tasks).where(RUNS.c.ordinal == run)).one()
    shape = (len(decode(groups)), len(decode(tasks)))
    query: Any = select(COEFFICIENTS.c.number, COEFFICIENTS.c.data, COEFFICIENTS.c.sha256).where(
        COEFFICIENTS.c.run == run, COEFFICIENTS.c.number >= first, COEFFICIENTS.c.number <= last
    )
    found = {}
    for number, data, expected in connection.execute(query):
        try:
            if expected is not None and _hash(data) != expected:
                raise ValueError("its bytes are not those that were written")
            found[number] = np.frombuffer(data, "<f4").reshape(shape)
        except (ValueError, TypeError) as error:
            raise Damaged(
                f"λ of step {number} of this run is damaged ({error}). The other runs are not affected."
            ) from error
    return found


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
