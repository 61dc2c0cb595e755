"""Rows of steps, coefficients, checkpoints and evaluations of a run."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, bindparam, delete, func, insert, select, update

from core.errors import NonFinite
from core.statistics import Evaluation, Half
from core.store.faults import Damaged
from core.store.records import EvaluationRecord, StepRecord, decode, encode
from core.store.state import pack, unpack
from core.store.tables import CHECKPOINTS, COEFFICIENTS, EVALUATIONS, RUNS, STEPS

if TYPE_CHECKING:
    from torch import Tensor

    from core.step import Coefficients, State, Step
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


def record(connection: Connection, run: int, step: Step, state: State | None) -> None:
    """Insert or replace one step; the run's totals and its checkpoint change with it.

    The step that carries the outcome keeps the checkpoint before it: a run that stops between its last step
    and its report then goes on with that step and gets the outcome again.
    """
    place = connection.execute(_PLACE, {"at": run}).one()
    before = None
    if step.number <= place.steps_done:
        before = connection.execute(_BEFORE, {"at": run, "step": step.number}).one_or_none()
    losses, entropies = encode(dict(step.losses)), encode(dict(step.entropies))
    facts = {"seconds": step.seconds, "samples": step.samples, "losses": losses, "entropies": entropies}
    connection.execute(_STEP, {"run": run, "number": step.number, **facts})
    if step.coefficients is not None:
        groups, values = _checked(step.coefficients, place.groups, place.tasks)
        if groups != place.groups:
            connection.execute(_GROUPS, {"at": run, "names": groups})
        connection.execute(_LAMBDA, {"run": run, "number": step.number, "data": values, "sha256": _hash(values)})
    if state is not None and step.outcome is None:
        data, sha256 = pack(state)
        connection.execute(_CHECKPOINT, {"run": run, "number": step.number, "sha256": sha256, "data": data})
    if step.kept is not None:
        connection.execute(_KEPT, {"at": run, "step": step.kept})
    for half, found in step.watched.items():
        kept = step.kept if half is Half.REPORTING else None
        add_evaluations(connection, run, step.number if kept is None else kept, found, half=half)
    seconds, samples = (before.seconds, before.samples) if before else (0.0, 0)
    more = {"more_seconds": step.seconds - seconds, "more_samples": step.samples - samples}
    connection.execute(_TOTALS, {"at": run, "step": step.number, **more})


def read(connection: Connection, run: int, since: int, limit: int | None, coefficients: bool) -> list[StepRecord]:
    """Steps with a number above `since`, in order."""
    query = select(STEPS).where(STEPS.c.run == run, STEPS.c.number > since).order_by(STEPS.c.number).limit(limit)
    rows = connection.execute(query).all()
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


def last_state(connection: Connection, run: int) -> tuple[int, dict[str, Tensor]] | None:
    """Number and state of the step to go on after; None where the run has to start from its beginning."""
    row = connection.execute(select(CHECKPOINTS).where(CHECKPOINTS.c.run == run)).one_or_none()
    return (row.number, unpack(row.data, row.sha256)) if row else None


def drop_after(connection: Connection, run: int, last: int) -> None:
    """Forget steps and evaluations above `last`: they are about to be made again."""
    for table in (STEPS, COEFFICIENTS, EVALUATIONS):
        connection.execute(delete(table).where(table.c.run == run, table.c.number > last))
    seconds, samples = totals(connection, run, last)
    connection.execute(
        update(RUNS).where(RUNS.c.ordinal == run).values(seconds=seconds, samples_seen=samples, steps_done=max(last, 0))
    )


def totals(connection: Connection, run: int, last: int) -> tuple[float, int]:
    """Seconds and images of a run's steps up to number `last`."""
    sums = select(func.coalesce(func.sum(STEPS.c.seconds), 0.0), func.coalesce(func.sum(STEPS.c.samples), 0))
    seconds, samples = connection.execute(sums.where(STEPS.c.run == run, STEPS.c.number <= last)).one()
    return seconds, samples


def add_evaluations(
    connection: Connection,
    run: int,
    step: int,
    found: Iterable[Evaluation],
    full: bool = False,
    half: Half | None = None,
) -> None:
    """Insert or replace evaluations of one step: on test images, all of them if `full`, or on a half of the watched."""
    # Those of all images stand beside the sample's, which may have been taken after the same step.
    of = {"split": "test", "kind": "full" if full else "merged"} if half is None else {"split": "", "kind": half.value}
    for one in found:
        if not math.isfinite(one.entropy):
            raise NonFinite(
                f"The answers on `{one.task}` should be finite numbers. Found an entropy of {one.entropy}: weights of "
                "the merged model or of an expert are too large. Look at that task's expert, or lower λ."
            )
        key = {"run": run, "number": step, "task": one.task, **of}
        connection.execute(delete(EVALUATIONS).where(*(EVALUATIONS.c[name] == value for name, value in key.items())))
        facts = {name: getattr(one, name) for name in ("correct", "total", "entropy", "agreeing", "kl")}
        connection.execute(insert(EVALUATIONS).values(complete=int(full), **key, **facts))


def evaluations(connection: Connection, run: int, halves: bool = False) -> list[EvaluationRecord]:
    """Evaluations of a run on test images, or on the halves of the watched ones, in the order of their steps."""
    own = EVALUATIONS.c.kind.in_([*Half]) == halves
    query = select(EVALUATIONS).where(EVALUATIONS.c.run == run, own)
    return [
        EvaluationRecord(
            row.task, row.correct, row.total, row.entropy, row.number, bool(row.complete),
            Half(row.kind) if halves else None, agreeing=row.agreeing, kl=row.kl,
        )
        for row in connection.execute(query.order_by(EVALUATIONS.c.number, EVALUATIONS.c.complete))
    ]  # fmt: skip


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
