"""Which precision and micro-batch are chosen, and what is remembered of it."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest
import torch

from core import remembered
from core.encoders import precision
from core.encoders.encoder import ACTIVATIONS, activation_bytes, micro_batch_for
from core.encoders.precision import choose_device, choose_precision
from core.errors import BadInput, UnknownName
from core.problem.problem import Problem


def choose(problem: Problem, cache: Path, name: str = "auto") -> str:
    return choose_precision(name, problem.encoder, problem.task_vectors.base, problem.images("task0"), cache).name


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """Seconds that a pass seems to take, by precision; and how many were measured."""
    seconds = {"float32": 1.0, "bfloat16": 1.0, "measured": 0}

    def measured(encoder: object, *_: object) -> float:
        seconds["measured"] += 1
        return seconds[encoder.precision]  # type: ignore[attr-defined]

    monkeypatch.setattr(precision, "_seconds", measured)
    return seconds


@pytest.mark.parametrize(
    ("float32", "bfloat16", "expected"),
    [(1.0, 0.3, "bfloat16"), (1.0, 3.0, "float32"), (1.0, 0.9, "float32"), (1.0, float("inf"), "float32")],
)
def test_auto_takes_what_is_clearly_faster(
    float32: float, bfloat16: float, expected: str, problem32: Problem, clock: dict[str, float], tmp_path: Path
) -> None:
    clock |= {"float32": float32, "bfloat16": bfloat16}
    assert choose(problem32, tmp_path) == expected


@pytest.mark.parametrize(
    ("ratio", "expected"),
    [
        (2.5, ("bfloat16", "float32 takes 2.5 times as long as bfloat16 here")),
        (1.1, ("float32", "bfloat16 is hardly faster here")),
        (0.25, ("float32", "bfloat16 takes 4.0 times as long as float32 here")),
        (0.0, ("float32", "bfloat16 does not run here")),
    ],
)
def test_the_choice_has_a_reason(ratio: float, expected: tuple[str, str]) -> None:
    assert tuple(precision.Chosen.by(ratio)) == expected


def test_the_choice_is_remembered(problem32: Problem, clock: dict[str, float], tmp_path: Path) -> None:
    clock["bfloat16"] = 0.1
    assert choose(problem32, tmp_path) == "bfloat16"
    before = clock["measured"]
    clock["bfloat16"] = 9.0
    assert choose(problem32, tmp_path) == "bfloat16"
    assert clock["measured"] == before


def test_a_clear_case_is_measured_less_often(problem32: Problem, clock: dict[str, float], tmp_path: Path) -> None:
    clock["bfloat16"] = 0.1
    choose(problem32, tmp_path / "clear")
    clear, clock["measured"], clock["bfloat16"] = clock["measured"], 0, 0.8
    choose(problem32, tmp_path / "close")
    assert clear < clock["measured"]


@pytest.mark.parametrize("damage", ["", "{", "[]", "null", "\xff", "auto", "float64", 3, None])
def test_a_damaged_memory_is_measured_again(
    damage: object, problem32: Problem, clock: dict[str, float], tmp_path: Path
) -> None:
    choose(problem32, tmp_path)
    once = clock["measured"]
    file = tmp_path / "precision.json"
    known = remembered.recall(file, dict)
    assert known
    if damage in ("auto", "float64", 3, None):
        remembered.keep(file, dict.fromkeys(known, damage))
    else:
        file.write_text(str(damage), "latin-1")
    assert choose(problem32, tmp_path) == "float32"
    assert clock["measured"] == 2 * once
    assert remembered.recall(file, dict) == known


def test_another_number_of_threads_is_another_machine(
    problem32: Problem, clock: dict[str, float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose(problem32, tmp_path)
    once = clock["measured"]
    monkeypatch.setattr(torch, "get_num_threads", lambda: 77)
    choose(problem32, tmp_path)
    assert clock["measured"] == 2 * once


@pytest.mark.parametrize("name", ["float32", "bfloat16", "float64"])
def test_a_named_precision_is_not_measured(
    name: str, problem32: Problem, clock: dict[str, float], tmp_path: Path
) -> None:
    assert choose(problem32, tmp_path, name) == name
    assert clock["measured"] == 0
    assert not list(tmp_path.iterdir())


def test_an_unknown_precision_lists_those_that_exist(problem32: Problem, tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match=r"`half`.*auto, float32, bfloat16"):
        choose(problem32, tmp_path, "half")


def test_a_real_measurement_leaves_the_weights_alone(problem32: Problem, tmp_path: Path) -> None:
    before = problem32.task_vectors.origin.clone()
    assert choose(problem32, tmp_path) in ("float32", "bfloat16")
    assert torch.equal(problem32.task_vectors.origin, before)
    assert not problem32.task_vectors.origin.requires_grad


@pytest.mark.parametrize("name", ["toaster", "", "meta", "hpu", "cuda:99", "cpu:x"])
def test_devices_that_are_not_there_are_named(name: str) -> None:
    with pytest.raises(BadInput, match="`device` should be auto, cpu, cuda, cuda:N or mps") as caught:
        choose_device(name)
    assert "\n" not in str(caught.value)


def test_the_processor_is_always_there() -> None:
    assert choose_device("cpu") == torch.device("cpu")


def test_micro_batches_fill_the_memory_set_aside(problem32: Problem) -> None:
    encoder, weights, images = problem32.encoder, problem32.task_vectors.base, problem32.images("task0")
    each = activation_bytes(encoder, weights, images)
    # Two blocks over 5 tokens of width 32 save some hundred numbers a token at least.
    assert 2 * 5 * 32 * 4 * 5 < each < 2**20
    assert micro_batch_for(encoder, weights, images) == min(max(ACTIVATIONS // each, 4), 1024)
    double = encoder.with_precision("float64")
    wide = {name: tensor.double() for name, tensor in weights.items()}
    assert 1.5 < activation_bytes(double, wide, images) / each <= 2.5


@pytest.mark.slow
def test_counting_activations_leaves_nothing_in_memory(problem32: Problem) -> None:
    def alive() -> int:
        return sum(type(one) is torch.Tensor for one in gc.get_objects())

    activation_bytes(problem32.encoder, problem32.task_vectors.base, problem32.images("task0"))
    gc.collect()
    gc.disable()  # A cycle would be collected some time, after the peak that it made.
    try:
        before = alive()
        activation_bytes(problem32.encoder, problem32.task_vectors.base, problem32.images("task0"))
        assert alive() <= before
    finally:
        gc.enable()
