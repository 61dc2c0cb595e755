"""Rebuilds the bundled demo suite: `python assets/demo/build.py --work DIR`.

Stages, each skipped where its result is already in DIR: fetch, data, pretrain, finetune, export, select. Name some
to run only those. `measure` prints the table of SOURCES.md from the committed files alone and needs no DIR.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from recipe.choose import remember, select, table
from recipe.data import build
from recipe.export import export
from recipe.fetch import fetch
from recipe.finetune import Recipe, finetune_all
from recipe.pretrain import STEPS, pretrain
from recipe.suite_file import suite_file, suite_settings

HERE = Path(__file__).resolve().parent
SUITE_FILE = HERE.parent / "suites/demo.yaml"
STAGES = ("fetch", "data", "pretrain", "finetune", "export", "select")
CHOSEN = ("digits", "letters", "hiragana", "greek", "arabic", "flags", "satellite", "produce")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stages", nargs="*", help=f"any of {', '.join(STAGES)}, measure; all but measure when left out")
    parser.add_argument("--work", type=Path, help="folder for packages, pictures and checkpoints")
    parser.add_argument("--steps", type=int, default=STEPS, help="of pre-training")
    parser.add_argument("--start", type=Path, help="checkpoint to go on pre-training from; from scratch when left out")
    given = parser.parse_args()
    stages, names = given.stages or list(STAGES), list(CHOSEN)
    unknown = set(stages) - {*STAGES, "measure"}
    if unknown:
        parser.error(f"unknown stages {sorted(unknown)}; there are {', '.join(STAGES)} and measure")
    if stages == ["measure"]:
        table(HERE, names, suite_settings(SUITE_FILE))
        return
    if given.work is None:
        parser.error("--work should name a folder")
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
    if "select" in stages:
        chosen = remember(work / "settings.json", lambda: select(HERE, names))
        suite_file(SUITE_FILE, names, suite_settings(SUITE_FILE) | chosen)
    if "measure" in stages:
        table(HERE, names, suite_settings(SUITE_FILE))


if __name__ == "__main__":
    main()
