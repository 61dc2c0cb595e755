"""Rebuilds the bundled demo suite: `python assets/demo/build.py --work DIR`.

Stages, each skipped where its result is already in DIR: fetch, data, pretrain, finetune, export. Name some to run only
those. Classes and prompts come from assets/suites/demo.yaml; its settings are chosen by `python -m
tests.bench.choose_settings`, and `python -m tests.bench.demo_gate` prints the table of SOURCES.md.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from recipe.data import build
from recipe.export import export
from recipe.fetch import fetch
from recipe.finetune import Recipe, finetune_all
from recipe.pretrain import STEPS, pretrain

HERE = Path(__file__).resolve().parent
STAGES = ("fetch", "data", "pretrain", "finetune", "export")
CHOSEN = ("digits", "letters", "hiragana", "greek", "arabic", "flags", "satellite", "produce")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stages", nargs="*", help=f"any of {', '.join(STAGES)}; all when left out")
    parser.add_argument("--work", type=Path, required=True, help="folder for packages, pictures and checkpoints")
    parser.add_argument("--steps", type=int, default=STEPS, help="of pre-training")
    parser.add_argument("--start", type=Path, help="checkpoint to go on pre-training from; from scratch when left out")
    given = parser.parse_args()
    stages, names = given.stages or list(STAGES), list(CHOSEN)
    if unknown := set(stages) - set(STAGES):
        parser.error(f"unknown stages {sorted(unknown)}; there are {', '.join(STAGES)}")
    work: Path = given.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    if "fetch" in stages:
        fetch(HERE, work)
    if "data" in stages and not (work / "data/pretraining.npz").exists():
        build(work)
    if "pretrain" in stages and not (work / "base.pt").exists():
        pretrain(work, given.steps, given.start)
    if "finetune" in stages:
        finetune_all(work, Recipe(), work / "experts", names)
    if "export" in stages:
        export(work, work / "experts", HERE, names)


if __name__ == "__main__":
    main()
