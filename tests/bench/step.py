"""One step of AdaMerging against the physical floor and against FusionBench's loop, on the same images and weights.

    python -m tests.bench.step --arch ViT-B-32 --experts 8 --batch 16

floor: one plain forward and backward pass of the same images through fixed weights, in the same precision.
FusionBench: `LayerWiseMergedModel` and the loop of its layer-wise AdaMerging, in float32 as it ships.
Every part runs in a process of its own, so that peak memory is that of the part alone, start and loading included.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.bench import fusionbench_loop, our_step, suite


def main(arguments: list[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.step", description=__doc__.splitlines()[0])
    parser.add_argument("--arch", default="ViT-B-32")
    parser.add_argument("--experts", type=int, default=8)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--steps", type=int, default=3, help="steps measured, after one to warm up; the median counts")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", default="auto")
    parser.add_argument(
        "--no-fusionbench", action="store_true", help="leave FusionBench's loop out (it needs much memory)"
    )
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    parser.add_argument("--suite", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.part:
        result = PARTS[options.part](options)
        peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(json.dumps({"peak_memory_mb": round(peak_kib / 1024), **(result or {})}))
        return
    with tempfile.TemporaryDirectory() as folder:
        options.suite = Path(folder) / "bench.yaml"
        _run("suite", options)
        ours = _run("ours", options)
        floor = _run("floor", options)
        other = {} if options.no_fusionbench else _run("fusionbench", options)
    report = _report(options, ours, floor, other)
    print(json.dumps(report, indent=1) if options.json else _text(report))


def _run(part: str, options: argparse.Namespace) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.bench.step", "--part", part, "--suite", str(options.suite)]
    for name in ("arch", "experts", "batch", "steps", "device", "precision"):
        command += [f"--{name}", str(getattr(options, name))]
    environment = {**os.environ, "MERGESCOPE_HOME": str(options.suite.parent / "home")}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode < 0:
        return {"killed": f"by signal {-done.returncode}"}
    if done.returncode:
        sys.exit(f"The part `{part}` failed with exit status {done.returncode}.")
    return dict(json.loads(done.stdout.splitlines()[-1]))


PARTS: dict[str, Any] = {
    "suite": lambda o: suite.make_suite(o.suite.parent, o.arch, o.experts, 2 * o.batch) and None,
    "ours": lambda o: our_step.measure(our_step.loaded(o), o),
    "floor": lambda o: our_step.measure_floor(our_step.loaded(o), o),
    "fusionbench": lambda o: fusionbench_loop.measure(fusionbench_loop.loaded(o), o),
}


def _report(
    options: argparse.Namespace, ours: dict[str, Any], floor: dict[str, Any], other: dict[str, Any]
) -> dict[str, Any]:
    return {
        "arch": options.arch,
        "experts": options.experts,
        "batch": options.batch,
        **{name: ours[name] for name in ("device", "precision", "micro_batch", "deltas", "threads", "step_seconds")},
        "step_over_floor": floor["step_over_floor"],
        "merge_and_contraction_share": ours["merge_and_contraction_share"],
        "peak_memory_mb": ours["peak_memory_mb"],
        "fusionbench_step_seconds": other.get("step_seconds"),
        "fusionbench_over_step": round(other["step_seconds"] / ours["step_seconds"], 2)
        if "step_seconds" in other
        else None,
        "fusionbench_peak_memory_mb": other.get("peak_memory_mb"),
        **({"fusionbench": other["killed"]} if "killed" in other else {}),
    }


def _text(report: dict[str, Any]) -> str:
    return "\n".join(f"{name.replace('_', ' '):32} {value}" for name, value in report.items())


if __name__ == "__main__":
    main()
