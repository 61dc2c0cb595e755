"""Stage `select`: settings of the coefficient learning, chosen on the held-out split, and the measured table."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import torch
from torch import Tensor

from .merging import Suite, adamerging, ties
from .model import THREADS
from .tasks import BY_NAME

# Longer runs add little (held-out 89.8 after 300 steps of 1e-2, 89.5 after 200) and cost the demo its minute.
GRID = [(5e-3, 100), (5e-3, 200), (1e-2, 100), (1e-2, 200)]
SEEDS = (0, 1, 2)


def mean(values: Iterable[float]) -> float:
    """Arithmetic mean."""
    listed = list(values)
    return sum(listed) / len(listed)


def select(folder: Path, names: list[str]) -> dict[str, dict[str, float]]:
    """Adapt layer-wise on held-out pictures, score held-out accuracy; test pictures take no part."""
    torch.set_num_threads(THREADS)
    suite = Suite(folder, [BY_NAME[n] for n in names])
    best, chosen = -1.0, {"lr": 0.0, "steps": 0}
    for rate, steps in GRID:
        coefficients = adamerging(suite, "held-out", True, rate, steps, seed=0)
        score = mean(suite.accuracies(suite.at(coefficients), "held-out"))
        print(f"layer-wise lr {rate} steps {steps}: held-out {score:.2f}", flush=True)
        if score > best:
            best, chosen = score, {"lr": rate, "steps": steps}
    return {"adamerging": chosen}


def table(folder: Path, names: list[str], settings: dict[str, dict[str, float]]) -> dict[str, list[float]]:
    """Test accuracies of every method and task, and the entropies that the gate asks for."""
    torch.set_num_threads(THREADS)
    suite = Suite(folder, [BY_NAME[n] for n in names])
    count = len(names)
    rows: dict[str, list[float]] = {}

    def show(title: str, values: list[float]) -> None:
        rows[title] = values
        print(f"| {title} | " + " | ".join(f"{v:.1f}" for v in values) + f" | {mean(values):.2f} |", flush=True)

    def arithmetic(scale: float) -> dict[str, Tensor]:
        return suite.at(torch.full((count,), scale))

    print("| method | " + " | ".join(names) + " | average |\n|---|" + "---|" * (count + 1))
    show("pre-trained", suite.accuracies(arithmetic(0), "test"))
    show("weight averaging", suite.accuracies(arithmetic(1 / count), "test"))
    start = arithmetic(0.3)
    show("Task Arithmetic 0.3", suite.accuracies(start, "test"))
    show("TIES 0.3", suite.accuracies(ties(suite), "test"))
    rate, steps = settings["adamerging"]["lr"], int(settings["adamerging"]["steps"])
    for layer_wise, title in ((False, "AdaMerging task-wise"), (True, "AdaMerging layer-wise")):
        for seed in SEEDS:
            began = time.perf_counter()
            coefficients = adamerging(suite, "test", layer_wise, rate, steps, seed)
            took = time.perf_counter() - began
            show(f"{title}, seed {seed} ({took:.0f} s)", suite.accuracies(suite.at(coefficients), "test"))
    experts = [suite.measure(suite.at(torch.eye(count)[k]), "test", k) for k in range(count)]
    show("individual", [accuracy for accuracy, _ in experts])
    merged = [suite.measure(start, "test", k)[1] for k in range(count)]
    print("\n| mean entropy (nats) | " + " | ".join(names) + " |\n|---|" + "---|" * count)
    print("| expert | " + " | ".join(f"{e:.2f}" for _, e in experts) + " |")
    print("| Task Arithmetic 0.3 | " + " | ".join(f"{e:.2f}" for e in merged) + " |")
    return rows


def remember(file: Path, make: Callable[[], dict[str, dict[str, float]]]) -> dict[str, dict[str, float]]:
    """A stage's result from its file, or made and written."""
    if not file.exists():
        file.write_text(json.dumps(make()))
    result: dict[str, dict[str, float]] = json.loads(file.read_text())
    return result
