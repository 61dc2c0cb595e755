"""Everything worth knowing about a device, within minutes: is it right, does it resume, how far from the floor is it?

    python -m tests.bench.gpu --out DIR [--minutes 8] [--device cuda] [--only trajectory,resume] [--small]

Writes `gpu-<device>.json`, a section at a time, the most valuable first; a section that fails tells its error and the
others go on, and none begins when the time is up. Times wait for the device and are medians after a warm-up. `--small`
takes models and step counts that a CPU can try the whole with.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import platform
import re
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch

from core.encoders.precision import choose_device
from tests.bench import gpu_same, gpu_speed
from tests.bench.made import make
from tests.tiny import make_suite

Section = Callable[[], Any]
VIEWER_SECONDS = 60


def main(arguments: list[str] | None = None) -> None:
    """Measure section by section."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.gpu", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=8)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--only", default="", help="sections that begin with one of these, separated by commas")
    parser.add_argument("--small", action="store_true")
    options = parser.parse_args(arguments)
    begin, device = time.monotonic(), choose_device(options.device)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine()
    file = options.out / f"gpu-{re.sub(r'[^A-Za-z0-9]+', '-', name).strip('-').lower()}.json"
    options.out.mkdir(parents=True, exist_ok=True)
    report: dict[str, Any] = {"device": name, **_machine(device), "sections": {}}
    wanted = tuple(filter(None, options.only.split(",")))
    with tempfile.TemporaryDirectory() as folder:
        for title, section in _sections(str(device), Path(folder), options.small):
            if wanted and not title.startswith(wanted):
                continue
            left = options.minutes * 60 - (time.monotonic() - begin)
            found = _carried_out(section) if left > 0 else {"left_out": "the time was up"}
            report["sections"][title] = found
            report["seconds"] = round(time.monotonic() - begin, 1)
            file.write_text(json.dumps(report, indent=1))
            print(f"{report['seconds']:7.1f} s  {title}: {json.dumps(found)[:400]}", flush=True)


def _carried_out(section: Section) -> Any:
    begin = time.monotonic()
    try:
        found = section()
    except Exception as error:  # noqa: BLE001  (the device is lent for minutes: the other sections still count)
        where = traceback.format_exc().splitlines()[-12:]
        found = {"error": f"{type(error).__name__}: {error}"[:2000], "where": where}
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return {**found, "section_seconds": round(time.monotonic() - begin, 1)}


def _machine(device: torch.device) -> dict[str, Any]:
    facts: dict[str, Any] = {"torch": str(torch.__version__), "python": platform.python_version()}
    facts["threads"] = torch.get_num_threads()
    if device.type == "cuda":
        made = torch.cuda.get_device_properties(device)
        facts |= {"memory_mb": made.total_memory // 2**20, "multiprocessors": made.multi_processor_count}
        facts |= {"cuda": torch.version.cuda, "capability": f"{made.major}.{made.minor}"}
    return facts


def _sections(device: str, folder: Path, small: bool) -> Iterator[tuple[str, Section]]:
    arch, experts, batch, steps = ("tiny", 2, 2, 2) if small else ("ViT-B-32", 8, 16, 20)
    precision = "bfloat16"
    speed, same = gpu_speed, gpu_same
    tiny = str(make_suite(folder / "tiny"))
    suites = {"tiny": tiny} if small else {"demo": "demo", "tiny": tiny}
    few = partial(make, arch, experts, 4 * batch, device=device)

    def step(arch: str, experts: int, steps: int = steps, precision: str = precision) -> tuple[str, Section]:
        title = f"step {arch} x{experts} {precision}"
        return title, lambda: speed.step(arch, experts, batch, steps, device, precision)

    yield step(arch, experts)
    yield "trajectory", lambda: same.trajectories(device, 3 if small else 20, suites)
    yield "resume float32", lambda: same.resumes(partial(few, precision="float32"), 2 if small else 10)
    yield "resume bfloat16", lambda: same.resumes(partial(few, precision=precision), 2 if small else 10)
    if device != "cpu":
        yield "captured", lambda: same.captured(partial(few, precision=precision), 4 if small else 20)
    yield "combine and contract", lambda: speed.parts(arch, experts, device)
    for form in ("int8", "int4"):
        yield f"combine and contract {form}", partial(speed.parts, arch, experts, device, form)
    many = partial(speed.many_steps, arch, experts, batch, 4 if small else 500, device, precision)
    yield "500 steps", many
    if device != "cpu":
        yield "500 steps captured", partial(many, capture=True)
    yield "500 steps, each read at once", partial(many, ahead=1)
    marks = (0, 1, 2) if small else (0, 50, 100, 200)
    known = tiny if small else "demo"
    yield "time to accuracy", lambda: speed.time_to_accuracy(known, device, marks)
    yield "time to accuracy bfloat16", lambda: speed.time_to_accuracy(known, device, marks, precision)
    yield "stored run", lambda: speed.stored_run(known, device, marks[-1], folder / "runs")
    yield "fusionbench", lambda: speed.fusionbench(arch, experts, batch, 2 if small else 5, device)
    if not small:
        yield "captured plain pass", lambda: speed.captured_floor(arch, experts, batch, precision)
        for other, count in [("ViT-L-14", 8), ("ViT-B-16", 8), ("ViT-B-32", 20), ("ViT-L-14", 20)]:
            yield step(other, count, 6)
        yield step(arch, experts, precision="float32")
        yield "step with TF32", partial(_with_tf32, step(arch, experts, precision="float32")[1])
        yield "combine and contract ViT-L-14 x20", lambda: speed.parts("ViT-L-14", 20, device)
        for other, count in [("ViT-B-16", 20), ("ViT-B-32", 14), ("ViT-B-16", 14), ("ViT-L-14", 14)]:
            yield step(other, count, 6)
        for other in ("ViT-B-16", "ViT-L-14"):
            yield f"fusionbench {other}", partial(speed.fusionbench, other, 8, batch, 3, device)
    yield "viewers", _viewers
    # Last: a profiler that was used may slow what comes after it.
    yield "profile", lambda: speed.profile(arch, experts, batch, device, precision)


def _with_tf32(section: Section) -> Any:
    with gpu_same.tf32(True, True):
        return section()


def _viewers() -> dict[str, Any]:
    """How much viewers of the page slow a run down, as `tests.bench.live` measures it."""
    if importlib.util.find_spec("gradio") is None:
        return {"not_measured": "Gradio is not installed on this machine."}
    command = [sys.executable, "-m", "tests.bench.live", "--json", "--no-browser", "--seconds", str(VIEWER_SECONDS)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return {name: value for name, value in json.loads(done.stdout).items() if name.startswith("slowdown")}


if __name__ == "__main__":
    main()
