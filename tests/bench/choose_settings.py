"""Learning rates for the suite's own `defaults`, chosen on held-out images: no test image is looked at.

    python -m tests.bench.choose_settings [--suite demo] [--steps 200] [--methods wemoe,surgery] [--seed 0]

Every method with a learning rate adapts on held-out images (what trains on labels, on training images) at a few rates
around its own, and is scored on held-out images. The rate to take is marked; the ends of a method's row say when the
grid is too narrow.
"""

from __future__ import annotations

import argparse
import sys

from core import methods
from core.problem.loading import load
from core.problem.method import Need
from core.suite.find import find
from tests.bench.demo_gate import run

RATES = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2)


def main() -> int:
    """Measure and print a row per method."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suite", default="demo")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--methods", default=",".join(n for n in methods.names() if "lr" in _settings(n)))
    parser.add_argument("--rates", default=",".join(f"{rate:g}" for rate in RATES))
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    suite = find(options.suite)
    problem = load(suite)
    for name in options.methods.split(","):
        own = {} if methods.get(name).needs is Need.TRAINING else {"adapt_on": "held-out"}
        found: dict[float, float] = {}
        for rate in map(float, options.rates.split(",")):
            row = run(problem, suite, name, split="held-out", **own, lr=rate, steps=options.steps, seed=options.seed)
            found[rate] = row.average
            print(f"{name} lr={rate:g}: {100 * row.average:.2f} in {row.seconds:.0f} s", file=sys.stderr, flush=True)
        best = max(found, key=lambda rate: found[rate])
        print(f"{name:16}", *(f"{r:g}: {100 * v:.1f}{'*' if r == best else ''}" for r, v in found.items()), flush=True)
    return 0


def _settings(name: str) -> object:
    return methods.get(name).Settings.model_fields


if __name__ == "__main__":
    sys.exit(main())
