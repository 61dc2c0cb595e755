"""What a worker of a cluster does: the ordinary runner, against a store of its own that is gone afterwards."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import torch

from core.cluster.parcel import Parcel
from core.errors import FAULTS, BadInput, MergescopeError, told
from core.export.report import version
from core.files import scratch
from core.problem.problem import Problem
from core.runs import runner
from core.runs.spec import REVISION, RunSpec
from core.store import Store
from core.store.transfer import Packed
from core.tasks import Images

Split = tuple[str, str]
"""A task and a split."""


@dataclass(frozen=True)
class Missing:
    """The run asked for images that were not sent along."""

    split: Split


@dataclass(frozen=True)
class Carried:
    """A run that has ended."""

    run: Packed
    failure: str = ""
    """What went wrong, in one line."""
    refused: bool = False
    """Whether that was something that can't be done, and no failure on the way."""


class _NotSent(Exception):  # no error, and none of those that methods catch
    """Images are wanted that were not sent."""


_held: dict[str, Problem] = {}
"""The problem of the last parcel, by its token: workers stay, and others of a study work on the same."""
_images: dict[Split, Any] = {}
"""References to what was sent of it."""


def versions() -> dict[str, str]:
    """What has to be the same on all machines."""
    return {"Mergescope": f"{version()} revision {REVISION}", "PyTorch": str(torch.__version__).partition("+")[0]}


def examine(parcel: Parcel, images: Mapping[Split, Any]) -> tuple[dict[str, str], dict[str, Any]]:
    """The versions here, and how a problem is computed here."""
    return versions(), _problem(parcel, images).execution


def carry_out(
    parcel: Parcel, images: Mapping[Split, Any], packed: Packed, expected: Mapping[str, str]
) -> Carried | Missing:
    """Go on with a run to its end, or to whatever stops it."""
    if (found := versions()) != expected:
        return Carried(packed, differing(expected, found))
    folder = scratch()
    try:
        with Store.open(folder) as store:
            return _carried(store, store.take(packed), _problem(parcel, images))
    except _NotSent as wanted:
        return Missing(wanted.args[0])
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def differing(expected: Mapping[str, str], found: Mapping[str, str]) -> str:
    """That a worker has other versions, in one line."""
    here, there = (", ".join(f"{name} {one[name]}" for name in expected) for one in (expected, found))
    return f"The workers should have the versions of this machine: {here}. Found {there}. Install the same on all."


def _carried(store: Store, run_id: str, problem: Problem) -> Carried:
    failure, refused = "", False
    try:
        spec = RunSpec.stored(store.run(run_id))
        runner.execute(store, run_id, spec.part(problem), spec)
    except (MergescopeError, *FAULTS) as error:
        failure, refused = told(error), isinstance(error, BadInput)
    return Carried(store.packed(run_id), failure, refused)


def _problem(parcel: Parcel, images: Mapping[Split, Any]) -> Problem:
    if parcel.token not in _held:
        _held.clear()
        _images.clear()
        torch.set_num_threads(1)  # A cell takes one core; its run sets the number that it began with.
    _images.update(images)
    if parcel.token not in _held:
        _held[parcel.token] = parcel.problem(_load)
    return _held[parcel.token]


def _load(task: str, split: str) -> Images | None:
    if (task, split) not in _images:
        raise _NotSent((task, split))
    reference = _images[task, split]
    found: Images | None = None if reference is None else import_module("ray").get(reference).images()
    return found
