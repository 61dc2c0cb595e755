"""What a step costs on a device: against the plain pass, against FusionBench's loop, and where its time goes."""

from __future__ import annotations

import argparse
import gc
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from core import methods
from core.learning.coefficients import LearningSettings
from core.problem.evaluate import evaluate
from core.problem.loading import load
from core.problem.problem import Problem
from core.runs import runner
from core.runs.spec import RunSpec
from core.settings import parse
from core.store import Store
from core.suite.find import find
from tests.bench import fusionbench_loop, our_step
from tests.bench.gpu_same import tf32
from tests.bench.made import make

FLOOR = {
    "ViT-B-32": {8: 8.2, 14: 14.1, 20: 20.0},
    "ViT-B-16": {8: 28.6, 14: 49.8, 20: 71.0},
    "ViT-L-14": {8: 130.0, 14: 227.0, 20: 324.0},
}
"""Milliseconds of a step of 16 images per task on an H100, guessed before anything ran on one: half of the peak rate in
bfloat16, and the memory's bandwidth less 15 % for reading the task vectors twice."""


def step(arch: str, experts: int, batch: int, steps: int, device: str, precision: str) -> dict[str, Any]:
    """Seconds of a step, of the plain pass in turns with it, and the device's peak memory."""
    options = argparse.Namespace(batch=batch, steps=steps)
    problem = make(arch, experts, 2 * batch, device=device, precision=precision)
    found = reset(problem, lambda: our_step.measure(problem, options))
    found["peak_device_mb"] = peak_mb(problem)
    begin = time.perf_counter()
    taken = sum(1 for _ in methods.get("adamerging").steps(problem, LearningSettings(steps=steps, batch=batch)))
    wait(problem)
    found["wall_seconds_a_step"] = round((time.perf_counter() - begin) / (taken - 1), 5)
    found |= our_step.measure_floor(problem, options)
    found["peak_device_mb_with_floor"] = peak_mb(problem)
    if estimate := FLOOR.get(arch, {}).get(experts):
        found |= {
            "estimated_floor_ms": estimate,
            "step_over_estimate": round(1e3 * found["step_seconds"] / estimate, 3),
        }
    return {"arch": arch, "experts": experts, "batch": batch, **found}


def fusionbench(arch: str, experts: int, batch: int, steps: int, device: str) -> dict[str, Any]:
    """Its loop in float32 as it ships (PyTorch's own choice of TF32), and with ours in float32 beside it."""
    options = argparse.Namespace(batch=batch, steps=steps)
    ours = make(arch, experts, 2 * batch, device=device, precision="float32", deltas="float32")
    float32 = our_step.measure(ours, options)["step_seconds"]
    del ours
    problem = make(arch, experts, 2 * batch, device=device, precision="float32", deltas="float32")
    with tf32(False, True):
        found = reset(problem, lambda: fusionbench_loop.measure(problem, options))
    return {"arch": arch, "experts": experts, **found, "peak_device_mb": peak_mb(problem), "our_float32_step": float32}


def profile(arch: str, experts: int, batch: int, device: str, precision: str) -> dict[str, Any]:
    """Kernels of one step, waits and copies, and the fifteen operations that take most of its time."""
    problem = make(arch, experts, 2 * batch, device=device, precision=precision)
    steps = methods.get("adamerging").steps(problem, LearningSettings(steps=20, batch=batch))
    for _ in range(4):
        next(steps)
    plain = our_step.plain_pass(problem, batch)
    plain(True)
    ours, floor = (_profiled(problem, work) for work in (lambda: next(steps), lambda: plain(True)))
    return {"precision": problem.precision, "micro_batch": problem.micro_batch, "step": ours, "plain_pass": floor}


def _profiled(problem: Problem, work: Callable[[], object]) -> dict[str, Any]:
    activities = [torch.profiler.ProfilerActivity.CPU]
    activities += [torch.profiler.ProfilerActivity.CUDA] if problem.device.type == "cuda" else []
    with torch.profiler.profile(activities=activities) as seen:
        work()
        wait(problem)
    rows = list(seen.key_averages())
    count = lambda *names: sum(row.count for row in rows if row.key.startswith(names))  # noqa: E731

    def top(key: str) -> list[dict[str, Any]]:
        best = sorted(rows, key=lambda row: -getattr(row, key))[:15]
        return [{"op": row.key[:110], "calls": row.count, "ms": round(getattr(row, key) / 1e3, 3)} for row in best]

    return {
        "launches": count("cudaLaunchKernel", "cuLaunchKernel"),
        "copies": count("cudaMemcpy", "cudaMemset"),
        "waits": count("cudaStreamSynchronize", "cudaDeviceSynchronize", "cudaEventSynchronize"),
        "aten_calls": count("aten::"),
        "device_ms": round(sum(getattr(row, "self_device_time_total", 0) for row in rows) / 1e3, 3),
        "by_device_time": top("self_device_time_total"),
        "by_host_time": top("self_cpu_time_total"),
    }


def captured_floor(arch: str, experts: int, batch: int, precision: str) -> dict[str, Any]:
    """The plain pass replayed as one CUDA graph: what is left when the host launches nothing."""
    problem = make(arch, experts, 2 * batch, device="cuda", precision=precision)
    plain = our_step.plain_pass(problem, batch, wait=False)
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            plain(True)
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        plain(True)
    seconds = []
    for _ in range(12):
        torch.cuda.synchronize()
        begin = time.perf_counter()
        graph.replay()
        torch.cuda.synchronize()
        seconds.append(time.perf_counter() - begin)
    return {"arch": arch, "experts": experts, "seconds": round(sorted(seconds)[len(seconds) // 2], 5)}


def parts(arch: str, experts: int, device: str, deltas: str = "bfloat16") -> dict[str, Any]:
    """Combine and contract alone: milliseconds, and bytes a second if each operand is read or written once."""
    problem = make(arch, experts, 2, device=device, deltas=deltas)
    vectors = problem.task_vectors
    row_of, rows = range(len(vectors.names)), torch.full((len(vectors.names), experts), 0.3, device=problem.device)
    out = torch.empty_like(vectors.origin)
    works: dict[str, Callable[[], object]] = {
        "combine": lambda: vectors.combine(rows, row_of, out=out),
        "contract": lambda: vectors.contract(out, row_of, len(rows)),
    }
    moved = {"combine": vectors.deltas.nbytes + 2 * out.nbytes, "contract": vectors.deltas.nbytes + out.nbytes}
    found: dict[str, Any] = {"arch": arch, "experts": experts, "deltas": deltas}
    for name, work in works.items():
        ms = []
        for _ in range(12):
            wait(problem)
            begin = time.perf_counter()
            work()
            wait(problem)
            ms.append(1e3 * (time.perf_counter() - begin))
        median = sorted(ms[2:])[5]
        found[name] = {"ms": round(median, 3), "gigabytes_a_second": round(moved[name] / median / 1e6)}
    return found


def many_steps(
    arch: str, experts: int, batch: int, steps: int, device: str, precision: str, **how: Any
) -> dict[str, Any]:
    """Wall time of a whole run of AdaMerging, evaluation apart; `how` is of the problem, such as `capture`."""
    problem = replace(make(arch, experts, 64, device=device, precision=precision), **how)
    begin = time.perf_counter()
    for _ in methods.get("adamerging").steps(problem, LearningSettings(steps=steps, batch=batch)):
        pass
    wait(problem)
    seconds = round(time.perf_counter() - begin, 3)
    return {"arch": arch, "experts": experts, "steps": steps, "seconds": seconds, "captured": problem.captured}


def stored_run(name: str, device: str, steps: int, folder: Path) -> dict[str, Any]:
    """A whole run of AdaMerging through the store, and what of it its steps took."""
    problem = load(find(name), device=device)
    method, settings, at = methods.get("adamerging"), LearningSettings(steps=steps), []
    with Store.open(folder) as store:
        run_id = RunSpec.of(problem, method, settings).create(store)
        begin = time.perf_counter()
        runner.execute(
            store,
            run_id,
            problem,
            RunSpec.of(problem, method, settings),
            on_step=lambda _: at.append(time.perf_counter()),
        )
        whole = time.perf_counter() - begin
        learning = sum(record.seconds for record in store.steps(run_id))
    loop = {"seconds_of_the_loop": round(at[-1] - at[0], 3), "seconds_of_its_steps": round(learning, 3)}
    return {"precision": problem.precision, "steps": steps, "seconds": round(whole, 3), **loop}


def time_to_accuracy(name: str, device: str, marks: tuple[int, ...], precision: str = "auto") -> dict[str, Any]:
    """Layer-wise AdaMerging on a suite: mean accuracy on the test images against seconds of learning."""
    suite = find(name)
    begin = time.perf_counter()
    problem = load(suite, device=device, precision=precision)
    found: dict[str, Any] = {"seconds_to_load": round(time.perf_counter() - begin, 2), **problem.execution}
    given = {**suite.entry.defaults.get("adamerging", {}), "steps": marks[-1]}
    settings = parse(methods.get("adamerging").Settings, given, "adamerging")
    learning, evaluating, rows = 0.0, 0.0, []
    steps = methods.get("adamerging").steps(problem, settings)
    while True:
        begin = time.perf_counter()
        step = next(steps, None)
        wait(problem)
        learning += time.perf_counter() - begin
        if step is None:
            return found | {"settings": given, "marks": rows, "seconds_of_evaluation": round(evaluating, 2)}
        if step.number in marks and step.weights is not None:
            begin = time.perf_counter()
            weights = step.weights()
            each = [evaluate(problem, weights, task).accuracy or 0.0 for task in problem.tasks]
            evaluating += time.perf_counter() - begin
            row = {"step": step.number, "seconds": round(learning, 3), "accuracy": round(sum(each) / len(each), 4)}
            rows.append(row)


def reset(problem: Problem, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The work, with the device's peak counted from its beginning."""
    if problem.device.type == "cuda":
        gc.collect()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    return work()


def peak_mb(problem: Problem) -> int | None:
    """MiB of device memory held at most since `reset`."""
    return round(torch.cuda.max_memory_allocated() / 2**20) if problem.device.type == "cuda" else None


def wait(problem: Problem) -> None:
    """Until the device has done all that was asked."""
    if problem.device.type == "cuda":
        torch.cuda.synchronize()
