"""The stress cases of the study `trust` in shards, for several processes or machines; then its tables.

    python -m tests.bench.stress --shard 1/16 --out one.json
    python -m tests.bench.stress --again one.json --out new.json
    python -m tests.bench.stress --merge *.json

A shard is 1/N to N/N: the cases at places I, I + N, … of the study's plan. Each case is a run in a store that is thrown
away, written to the file as soon as it is done; a file that is there already goes on. Run with OMP_NUM_THREADS=1.
`--again` looks ahead once more, as the study's plan has it now, and takes what became of the cases from the file.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import torch

from core.control import Control
from core.errors import MergescopeError
from core.measures import Subject
from core.measures.trust import looked_ahead
from core.problem.loading import load
from core.progress import Progress
from core.runs.places import here
from core.step import Outcome
from core.store import Store
from core.studies.engine.cells import Cell
from core.studies.engine.done import Done
from core.studies.engine.result import Result, as_csv, grid
from core.studies.engine.scope import StudyOptions
from core.studies.foresight import AHEAD
from core.studies.trust import Trust
from core.suite.find import find

KEPT = ("tasks", "measured", "verdict")
"""What is written of a report."""


def main(arguments: list[str] | None = None) -> None:
    """Compute a shard, or print what all shards come to."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.stress", description=__doc__.splitlines()[0])
    parser.add_argument("--suite", default="demo")
    parser.add_argument("--steps", type=int, help="steps of methods that learn; else their own")
    parser.add_argument("--shard", default="1/1", metavar="I/N")
    parser.add_argument("--out", type=Path, default=Path("stress.json"))
    parser.add_argument("--again", type=Path, metavar="FILE")
    parser.add_argument("--merge", type=Path, nargs="+", metavar="FILE")
    parser.add_argument("--csv", action="store_true", help="with --merge: all numbers, as the study's file has them")
    options = parser.parse_args(arguments)
    if options.merge:
        result = merged(options.suite, options.merge)
        print(as_csv(result) if options.csv else as_text(result))
        return
    if options.again:
        again(options.suite, options.again, options.out)
        return
    place, count = (int(part) for part in options.shard.split("/"))
    shard(options.suite, place - 1, count, options.out, {"steps": options.steps} if options.steps else {})


def shard(suite: str, place: int, count: int, out: Path, settings: dict[str, int]) -> None:
    """Run every `count`th case from `place` on."""
    torch.set_num_threads(1)
    study, file = Trust(), find(suite)
    scope = study.scope(file, StudyOptions(settings=settings))
    done = json.loads(out.read_text("utf-8")) if out.exists() else []
    known = {json.dumps(one["cell"], sort_keys=True) for one in done}
    problem = load(file)
    for cell in study.plan(scope)[place::count]:
        if json.dumps(cell.plain(), sort_keys=True) in known:
            continue
        begin = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder, Store.open(Path(folder)) as store:
            run_id = cell.spec(problem).create(store, cell=True)
            try:
                for _, failure in here(store, problem, Control(), Progress()).carry_out([run_id]):
                    if failure is not None:
                        raise failure
                report = store.run(run_id).report or {}
                found = {"report": {name: report[name] for name in KEPT if name in report}}
            except MergescopeError as error:
                found = {"error": str(error)}
        done.append({"cell": cell.plain(), "seconds": time.perf_counter() - begin, **found})
        out.write_text(json.dumps(done), encoding="utf-8")
        print(f"{cell.where['case']}: {done[-1]['seconds']:.0f} s {found.get('error', '')}", flush=True)


def again(suite: str, file: Path, out: Path) -> None:
    """Replace what was found by looking ahead in a shard's file."""
    torch.set_num_threads(1)
    problem, done = load(find(suite)), json.loads(file.read_text("utf-8"))
    for one in done:
        if "report" not in one:
            continue
        spec = Cell.from_plain(one["cell"]).spec(problem)
        subject = Subject(spec.part(problem), spec.method, spec.settings, Outcome.of({}), (), list)
        measured = one["report"]["measured"]["trust"]
        found = looked_ahead(subject, AHEAD)
        measured["ahead"] = found["ahead"]
        measured["seconds"] |= found["seconds"]
        print(one["cell"]["where"]["case"], flush=True)
    out.write_text(json.dumps(done), encoding="utf-8")


def merged(suite: str, files: list[Path]) -> Result:
    """The study's result on the cases in these files."""
    study = Trust()
    found = [one for file in files for one in json.loads(file.read_text("utf-8"))]
    done = [Done(Cell.from_plain(one["cell"]), one.get("report"), one.get("error", "")) for one in found]
    for one in done:
        if one.error:
            print(f"FAILED {one.cell.where['case']}: {one.error}")
    return study.result(study.scope(find(suite), StudyOptions()), done)


def as_text(result: Result) -> str:
    """Tables and findings."""
    parts = []
    for table in result.tables:
        made = grid(table)
        rows = [made.heads, *(row for block in made.blocks for row in block)]
        widths = [max(len(str(row[at])) for row in rows) for at in range(len(made.heads))]
        lines = ["  ".join(str(cell).ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
        parts.append("\n".join([table.title, *lines]))
    return "\n\n".join([*parts, *result.findings])


if __name__ == "__main__":
    main()
