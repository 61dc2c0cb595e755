"""Whether a device computes what the CPU computes, repeats itself bit for bit, and goes on where it was stopped."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from core import methods
from core.control import Control
from core.errors import Cancelled
from core.learning.coefficients import LearningSettings
from core.problem.loading import load
from core.problem.problem import Problem
from core.step import State, Step
from core.store.state import pack, unpack
from core.suite.find import find

LR = 0.01
"""Larger than the default, so that few steps move λ far."""


@contextmanager
def tf32(products: bool, convolutions: bool) -> Iterator[None]:
    """Whether they keep but ten bits of a float32's mantissa; PyTorch's default is for convolutions alone."""
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = products, convolutions
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before


PRECISIONS = ("float64", "float32", "bfloat16", "auto")


def trajectories(device: str, steps: int, suites: dict[str, str]) -> dict[str, Any]:
    """λ of AdaMerging after each step: how far the device is from the CPU, and each precision from float64."""
    return {name: _trajectory(suite, device, steps) for name, suite in suites.items()}


def _trajectory(suite: str, device: str, steps: int) -> dict[str, Any]:
    found: dict[str, Any] = {"steps": steps, "lr": LR, "batch": 16}
    paths: dict[str, Tensor] = {}
    for label, place, precision in [
        *((f"device_{precision}", device, precision) for precision in PRECISIONS),
        ("cpu_float64", "cpu", "float64"),
        ("cpu_float32", "cpu", "float32"),
    ]:
        problem = load(find(suite), device=place, precision=precision, micro_batch=128, ahead=1)
        paths[label] = torch.stack([raw(step) for step in taken(problem, steps)]).double()
        if precision == "auto":
            found["auto_chose"] = problem.precision
    found["moved"] = (paths["cpu_float64"][-1] - paths["cpu_float64"][0]).abs().max().item()
    pairs = [(label, "cpu_float64") for label in paths if label != "cpu_float64"]
    for one, other in [*pairs, ("device_float32", "cpu_float32")]:
        apart = (paths[one] - paths[other]).abs().amax((1, 2))
        found[f"{one}_from_{other}"] = {"largest": apart.max().item(), "last": apart[-1].item()}
    return found


def taken(problem: Problem, steps: int, resume: State | None = None) -> Iterator[Step]:
    """Steps of layer-wise AdaMerging."""
    yield from methods.get("adamerging").steps(problem, LearningSettings(steps=steps, batch=16, lr=LR), resume)


def raw(step: Step) -> Tensor:
    """λ before the clamp, exactly, on the CPU."""
    assert step.state is not None
    return step.state()["raw"].cpu().clone()


def resumes(make: Callable[[], Problem], steps: int) -> dict[str, Any]:
    """A run, the same again, and one that is cancelled within a step and goes on from its stored state."""
    problem = replace(make(), ahead=1)  # Each step has a state then.
    whole = [raw(step) for step in taken(problem, steps)]
    again = [raw(step) for step in taken(problem, steps)]
    stopped, path, kept = steps // 2, [], None
    control = Control()
    watched = replace(problem, tick=control.tick)
    try:
        for step in taken(watched, steps):
            assert step.state is not None
            path.append(raw(step))
            kept = pack(step.state())
            if step.number == stopped:
                control.cancel()  # Heard at the next tick, within the step that follows.
    except Cancelled:
        pass
    assert kept is not None
    path += [raw(step) for step in taken(replace(make(), ahead=1), steps, unpack(*kept))]
    same = {"repeated": again, "cancelled_and_resumed": path}
    found: dict[str, Any] = {"steps": steps, "stopped_after": stopped, "precision": problem.precision}
    for name, other in same.items():
        equal = [torch.equal(a, b) for a, b in zip(whole, other, strict=True)]
        found[name] = {
            "bit_identical": all(equal),
            "first_difference_at_step": equal.index(False) if not all(equal) else None,
        }
    return found | {"seconds_until_cancel_is_heard": _latency(problem)}


def captured(make: Callable[[], Problem], steps: int) -> dict[str, Any]:
    """Steps repeated from a CUDA graph beside those that are called."""
    plain = replace(make(), ahead=1)
    recorded = replace(plain, capture=True)
    paths = [torch.stack([raw(step) for step in taken(problem, steps)]) for problem in (plain, recorded)]
    return {
        "steps": steps,
        "recorded": recorded.captured,
        "bit_identical": torch.equal(*paths),
        "largest_difference": (paths[0] - paths[1]).abs().max().item(),
    }


def _latency(problem: Problem) -> float:
    """Seconds from `cancel` in the middle of a run to the exception."""
    control, asked = Control(), 0.0

    def stop() -> None:
        nonlocal asked
        asked = time.perf_counter()
        control.cancel()

    timer = threading.Timer(0.5, stop)
    timer.start()
    try:
        for _ in taken(replace(problem, tick=control.tick), 1_000_000):
            pass
    except Cancelled:
        return round(time.perf_counter() - asked, 4)
    raise RuntimeError("a million steps ended within half a second")
