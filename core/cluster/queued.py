"""A run of a server's queue on a cluster, like one on a device of this machine."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from core.cluster.driver import sent
from core.problem.problem import Problem
from core.progress import SILENT
from core.runs import runner
from core.runs.jobs import Elsewhere, settled
from core.runs.spec import RunSpec
from core.runs.work import Work
from core.store import Store


def elsewhere(address: str, device: str, store: Store, load: Callable[..., Problem]) -> Elsewhere:
    """The place of a run at an address, which takes one `device` of the cluster; `load` loads its suite."""
    return Elsewhere(address, partial(_carry_out, address, device, store, load))


def _carry_out(address: str, device: str, store: Store, load: Callable[..., Problem], work: Work[None]) -> None:
    run_id, control = str(work.key), work.control
    # Without the address: guests are told what a run is doing.
    work.progress.start("Computing on a Ray cluster", None)
    with runner.noted(store, run_id, control):
        control.tick()
        asked = RunSpec.stored(store.run(run_id))

        def loaded(device: str, precision: str) -> Problem:
            return load(device=device, precision=precision)

        with sent(address, device, asked.execution.precision, loaded, control.tick) as (problem, driver):
            place = driver.place(store, control, SILENT)
            settled(store, run_id, asked, asked.part(problem), **place.how)
            [(_, failure)] = place.carry_out([run_id])
        if failure is not None:
            raise failure
