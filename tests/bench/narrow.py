"""What narrow task vectors cost: accuracy of several methods with each number format, on one suite.

    python -m tests.bench.narrow [--suite demo] [--formats float32,bfloat16,int8,int4] [--precision auto] [--seed 0]

Every method has the suite's own settings, Task Arithmetic λ = 0.3. `error` is the mean length of what rounding changed
in a task vector, relative to the task vector's.
"""

from __future__ import annotations

import argparse

import torch

from core.problem.loading import load
from core.problem.packed import numbers
from core.suite.find import find
from tests.bench.demo_gate import run

METHODS = {"task_arithmetic": {"scale": 0.3}, "tsv_m": {}, "adamerging": {}, "best": {}}


def main() -> None:
    """Measure and print a row per format."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suite", default="demo")
    parser.add_argument("--formats", default="float32,bfloat16,int8,int4")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    suite = find(options.suite)
    exact = numbers(load(suite, deltas="float32").task_vectors.deltas)
    print("| task vectors | MiB | error, % | " + " | ".join((*METHODS, "individual")) + " |", flush=True)
    for form in options.formats.split(","):
        problem = load(suite, precision=options.precision, deltas=form)
        deltas = problem.task_vectors.deltas
        wide = numbers(deltas).float()
        error = ((wide - exact).norm(dim=1) / exact.norm(dim=1)).mean()
        cells = [form, f"{deltas.nbytes / 2**20:.1f}", f"{100 * error:.2f}"]
        for method, values in {**METHODS, "individual": {}}.items():
            cells.append(f"{100 * run(problem, suite, method, **values, seed=options.seed).average:.2f}")
        print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
