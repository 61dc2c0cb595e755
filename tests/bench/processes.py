"""Memory of each process of one merge against how many there are: loading, and steps of AdaMerging.

    python -m tests.bench.processes --experts 16 --processes 1,2,4

Peak: all that was resident at most (VmHWM); own columns: the task vectors of the process. Random weights and images;
Linux only. All processes are on this machine's processor; the first one reads the checkpoints and leads.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from core import methods
from core.cli.loading import HELD
from core.problem import memory
from core.problem.loading import load
from core.problem.sharing.launch import started
from core.problem.sharing.share import Share, act
from core.problem.sharing.vectors import SharedVectors
from core.settings import parse
from core.suite.find import find
from tests.bench.suite import make_suite


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.processes", description=__doc__.splitlines()[0])
    parser.add_argument("--arch", default="ViT-B-32")
    parser.add_argument("--experts", type=int, default=16)
    parser.add_argument("--processes", default="1,2,4")
    parser.add_argument("--memory", default="float32", help=f"how task vectors are held, of {', '.join(HELD)}")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--part", nargs=2, metavar=("SUITE", "N"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part:
        print(json.dumps(measure(options, Path(options.part[0]), int(options.part[1]))))
        return
    with tempfile.TemporaryDirectory() as folder:
        suite = make_suite(Path(folder), options.arch, options.experts, 2 * options.batch)
        for count in options.processes.split(","):
            command = [sys.executable, "-m", "tests.bench.processes", "--part", str(suite), count]
            for name in ("memory", "batch", "steps"):
                command += [f"--{name}", str(getattr(options, name))]
            environment = {**os.environ, "MERGESCOPE_HOME": str(suite.parent / "home")}
            done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
            print(count, done.stdout.splitlines()[-1], flush=True)


def measure(options: argparse.Namespace, suite: Path, count: int) -> dict[str, Any]:
    """MiB of each process, the first one first, and seconds."""
    deltas, place = HELD[options.memory]
    method, begin = methods.get("adamerging"), time.perf_counter()
    settings = parse(method.Settings, {"steps": options.steps, "batch": options.batch}, method.name)
    with started(count, "cpu") if count > 1 else nullcontext() as team:
        problem = load(find(str(suite)), precision="float32", deltas=deltas, memory=place, team=team)
        loaded, vectors = time.perf_counter(), problem.task_vectors
        after = peaks(vectors)
        for _ in method.steps(problem, settings):
            pass
        return {
            "columns_mb": own(vectors),
            "loaded_peak_mb": after,
            "peak_mb": peaks(vectors),
            "load_s": round(loaded - begin, 1),
            "step_s": round((time.perf_counter() - loaded) / options.steps, 1),
        }


@act
def tell_peak(share: Share, *, number: int) -> list[list[int]]:
    """Peak and own columns of every process, in MiB."""
    return share.team.lists([round(memory.peak_memory_mb()), share.vectors(number).deltas.nbytes // 2**20])


def peaks(vectors: Any) -> list[int]:
    """Peak of every process so far."""
    return [one[0] for one in _facts(vectors)]


def own(vectors: Any) -> list[int]:
    """Task vectors of every process."""
    return [one[1] for one in _facts(vectors)]


def _facts(vectors: Any) -> list[list[int]]:
    if not isinstance(vectors, SharedVectors):
        return [[round(memory.peak_memory_mb()), vectors.deltas.nbytes // 2**20]]
    vectors.tell(tell_peak)
    return tell_peak(vectors.share, number=vectors.number.value)


if __name__ == "__main__":
    # Under its own name, so that the acts that it tells have one.
    from tests.bench import processes

    processes.main()
