"""Task vectors in a temporary file: the same results bit for bit, and memory that does not grow with their number."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from core import methods
from core.errors import RunFailed, UnknownName
from core.insight.similarity import similarity
from core.problem import memory
from core.problem.loading import load
from core.problem.mapped import InMemory, Mapped
from core.problem.problem import Problem
from core.problem.task_vectors import TaskVectors
from core.problem.variants import variant
from core.suite.find import find
from tests.core.properties import assert_close, fingerprint, run

QUICK = ("--set", "steps=2", "--set", "batch=4")
linux = pytest.mark.skipif(sys.platform != "linux", reason="only the Linux kernel tells these numbers")


@pytest.fixture
def on_disk(problem32: Problem, tmp_path: Path) -> Problem:
    """The tiny suite with its task vectors in a file, twelve pages at a time in memory."""
    return replace(problem32, task_vectors=moved(problem32.task_vectors, tmp_path))


def moved(vectors: TaskVectors, folder: Path) -> TaskVectors:
    """The same task vectors in a file."""
    place = Mapped(folder)
    deltas = place.empty(vectors.deltas.shape, vectors.deltas.dtype, vectors.deltas.device)
    return replace(vectors, deltas=deltas.copy_(vectors.deltas), memory=place)


@pytest.fixture(autouse=True)
def small_window(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was read is let go of after every few pages: the tiny suite would never fill the real window."""
    monkeypatch.setattr("core.problem.mapped.WINDOW", 12 * 4096)


@pytest.mark.parametrize("method", methods.names())
def test_every_method_gives_the_same_bits(method: str, problem32: Problem, on_disk: Problem) -> None:
    expected, found = run(method, problem32), run(method, on_disk)
    assert [step.losses for step in found] == [step.losses for step in expected]
    for ours, theirs in zip(found, expected, strict=True):
        if theirs.coefficients is not None:
            assert ours.coefficients is not None
            assert torch.equal(ours.coefficients.values, theirs.coefficients.values)
    assert found[-1].outcome is not None
    assert expected[-1].outcome is not None
    for task in problem32.tasks:
        assert_close(found[-1].outcome.weights_for(task), expected[-1].outcome.weights_for(task), 0)
    assert fingerprint(on_disk) == fingerprint(problem32)


@pytest.mark.slow
@pytest.mark.parametrize("deltas", ["float32", "bfloat16", "float64"])
def test_loading_gives_the_same_bits(deltas: str, tiny_suite: Path) -> None:
    how = {"device": "cpu", "precision": "float64" if deltas == "float64" else "float32", "micro_batch": 8}
    file = find(str(tiny_suite))
    plain, mapped = (load(file, deltas=deltas, memory=where, **how) for where in ("ram", "mapped"))  # type: ignore[arg-type]
    assert fingerprint(mapped) == fingerprint(plain)
    assert plain.execution | {"memory": "mapped"} == mapped.execution
    assert any("temporary file" in note for note in mapped.notes)
    assert plain.notes == ()


def test_similarity_and_parts_are_the_same(problem32: Problem, on_disk: Problem) -> None:
    expected, found = similarity(problem32.task_vectors), similarity(on_disk.task_vectors)
    assert torch.equal(found.overall.cosine, expected.overall.cosine)
    for tasks in (problem32.tasks[:2], (problem32.tasks[2], problem32.tasks[0])):
        part = variant(on_disk, tasks).task_vectors
        assert torch.equal(part.deltas, variant(problem32, tasks).task_vectors.deltas)
        assert torch.equal(part.deltas[1], on_disk.task_vectors.deltas[problem32.tasks.index(tasks[1])])
        assert part.memory.mapped


def test_neighbours_are_parted_without_a_copy(problem32: Problem) -> None:
    part = problem32.task_vectors.part(problem32.tasks[1:])
    assert part.deltas.data_ptr() == problem32.task_vectors.deltas[1].data_ptr()


def test_nothing_is_left_in_the_folder(tmp_path: Path) -> None:
    matrix = Mapped(tmp_path).empty((2, 5000), torch.float32, torch.device("cpu"))
    assert matrix.shape == (2, 5000)
    assert not matrix.any()
    assert list(tmp_path.iterdir()) == []


def test_what_was_let_go_of_is_still_there(tmp_path: Path) -> None:
    place = Mapped(tmp_path)
    matrix = place.empty((3, 40_000), torch.bfloat16, torch.device("cpu"))
    matrix.copy_(torch.arange(120_000).view(3, -1))
    place.passed(matrix.nbytes)
    assert torch.equal(matrix, torch.arange(120_000).view(3, -1).bfloat16())


@pytest.mark.slow
@linux
def test_memory_does_not_grow_with_the_number_of_experts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sixteen experts of 8 MiB through a merge, a contraction and TIES' election, in less than three more."""
    monkeypatch.setattr("core.problem.mapped.WINDOW", 2**20)
    few, many = (_peak(count, tmp_path) for count in (2, 16))
    assert many < few + 3 * 8


def _peak(experts: int, folder: Path) -> float:
    """MiB at most resident beyond what was before, while task vectors are made and used."""
    size, tensors = 2**21, 64
    names = tuple(f"t{at}" for at in range(tensors))
    origin, gradient = torch.zeros(size), torch.ones(size)
    place = Mapped(folder)
    matrix = place.empty((experts, size), torch.float32, origin.device)
    shapes = ((size // tensors,),) * tensors
    tasks = tuple(map(str, range(experts)))
    vectors = TaskVectors(tasks, names, shapes, origin, matrix, {}, memory=place)
    memory.give_back()
    memory.forget_peak()
    before = memory.peak_memory_mb()
    for row in matrix:
        row.fill_(1.0)
        vectors.passed(row)
    rows = torch.full((tensors, experts), 0.5)
    out: Tensor = vectors.combine(rows, range(tensors))
    assert out.sum() == 0.5 * experts * size
    assert vectors.contract(gradient, range(tensors), tensors).sum() == experts * size
    assert vectors.total()[-1] == experts
    vectors.expert(tasks[-1])
    return memory.peak_memory_mb() - before


def test_a_disk_without_room_says_so_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(RunFailed, match=r"274,877,906,944 MiB for the task vectors.*MiB are free.*`--memory bfloat16`"):
        Mapped(tmp_path / "cache").empty((2**28, 2**28), torch.float32, torch.device("cpu"))
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_folder_that_can_not_be_made_says_so_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunFailed, match=r"can't be made in .*: (Not a directory|File exists)"):
        Mapped(tmp_path / "file" / "cache").empty((2, 2), torch.float32, torch.device("cpu"))


@pytest.mark.slow
def test_auto_maps_what_would_take_most_of_the_memory(tiny_suite: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, how = find(str(tiny_suite)), {"device": "cpu", "precision": "float32", "micro_batch": 8}
    size = load(file, **how).task_vectors.deltas.nbytes  # type: ignore[arg-type]
    for free, mapped in ((2 * size, False), (2 * size - 2, True), (None, False)):
        monkeypatch.setattr(memory, "available", lambda free=free: free)
        found = load(file, **how).task_vectors  # type: ignore[arg-type]
        assert found.memory.mapped == mapped
        assert isinstance(found.memory, Mapped if mapped else InMemory)
        assert found.deltas.dtype == torch.float32


@pytest.mark.slow
def test_merge_says_that_task_vectors_are_mapped_and_finds_the_same(cli: Any, tiny_suite: Path) -> None:
    plain, mapped = (cli("merge", tiny_suite, *QUICK, "--memory", held, "--json") for held in ("float32", "mapped"))
    assert "are in a temporary file" in mapped.err
    assert mapped.data["coefficients"] == plain.data["coefficients"]
    assert mapped.data["tasks"] == plain.data["tasks"]


def test_merge_on_a_disk_without_room_ends_with_one_line(
    cli: Any, tiny_suite: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.problem.mapped.shutil.disk_usage", lambda folder: SimpleNamespace(free=0))
    answer = cli("merge", tiny_suite, *QUICK, "--memory", "mapped")
    assert answer.status == 1
    assert len(answer.err.strip().splitlines()) == 1
    assert "No space left on device" in answer.err


def test_an_unknown_place_is_named(tiny_suite: Path) -> None:
    with pytest.raises(UnknownName, match=r"memory `disk`.*ram, mapped"):
        load(find(str(tiny_suite)), device="cpu", precision="float32", memory="disk", micro_batch=8)


@linux
def test_what_is_available_lies_between_nothing_and_everything() -> None:
    found = memory.available()
    assert found is not None
    assert 0 < found < os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def test_a_container_s_limit_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_LIMIT", tmp_path)
    for name, text in (("max", "5000\n"), ("current", "4000\n"), ("stat", "anon 3500\ninactive_file 300\n")):
        (tmp_path / f"memory.{name}").write_text(text)
    assert memory.available() == 1300
    (tmp_path / "memory.max").write_text("max\n")
    assert (memory.available() or 0) > 1300
