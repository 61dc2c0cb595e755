"""Ten thousand runs, one of them of a hundred thousand steps: lists and exports.

    python -m tests.bench.large_store [--json]

`list_cpu_s` is the processor time of the whole process of `runs list`, the best of three; `page_list_s` how long the
first list of a page takes of a server that has loaded its suite, `page_list_cpu_s` the server's processor time for it;
`export_growth_mb` how much more memory an export of λ takes for all steps, of 14 × 8 coefficients, than for a tenth of
them, by kind of file.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from core.export.coefficients import each_step, export_coefficients
from core.store import Store
from tests.bench.live import WARM_UP, served
from tests.core.test_store_scale import RUNS, STEPS, fill, many_runs, seconds, stepped
from tests.tiny import make_suite

GROUPS = 14
KINDS = (".csv", ".json", ".safetensors")


def main(arguments: list[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.large_store", description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--export", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.export:
        print(exported(*options.export))
        return
    report = ten_thousand(10 * STEPS)
    print(json.dumps(report, indent=1) if options.json else "\n".join(f"{k:16} {v}" for k, v in report.items()))


def thousand() -> dict[str, float]:
    """Processor time of listing a thousand runs and of opening one of ten thousand steps."""
    with tempfile.TemporaryDirectory() as folder, Store.open(Path(folder)) as store:
        fill(store)
        run_id = store.runs(limit=1)[0].id
        opened = seconds(lambda: (store.run(run_id), store.steps(run_id), store.evaluations(run_id)))
        return {"list_s": round(seconds(store.runs), 2), "open_s": round(opened, 2)}


def ten_thousand(steps: int) -> dict[str, Any]:
    """The figures, with so many steps."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with Store.open(folder / "few") as store, Store.open(folder / "runs") as many:
            fill(store)
            run_id = many_runs(many, store)
            with many._database.writing() as connection:
                names = json.dumps([f"block {number}" for number in range(GROUPS)])
                connection.exec_driver_sql("UPDATE runs SET groups = ? WHERE ordinal = 1", (names,))
            stepped(many, 1, steps, GROUPS)
        suite, command = make_suite(folder / "suite"), ["launch.py", "runs", "list", "--runs", str(folder / "runs")]
        report: dict[str, Any] = {"list_cpu_s": round(min(processor(command) for _ in range(3)), 2)}
        with served(folder / "runs", suite, 1, 0, steps=0) as server:
            time.sleep(WARM_UP)
            owner, begin, spent = server.owner(), time.monotonic(), server.cpu()
            assert len(owner.call("runs_list", limit=50)["runs"]) == 50
            report["page_list_s"] = round(time.monotonic() - begin, 3)
            report["page_list_cpu_s"] = round(server.cpu() - spent, 2)
        report |= {"runs": 10 * RUNS, "steps": steps, "export_growth_mb": {}}
        for kind in KINDS:
            tenth, whole = (
                memory(folder / "runs", run_id, count, folder / f"out{kind}") for count in (steps // 10, steps)
            )
            report["export_growth_mb"][kind] = round(whole - tenth, 1)
        return report


def processor(command: list[str]) -> float:
    """Seconds of the processor that a process takes from its begin to its end."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *command], check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def memory(runs: Path, run_id: str, steps: int, path: Path) -> float:
    """Megabytes that a process of its own takes at most which exports λ of so many steps."""
    command = [sys.executable, "-m", "tests.bench.large_store", "--export", str(runs), run_id, str(steps), str(path)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def exported(runs: str, run_id: str, steps: str, path: str) -> float:
    """Export λ of the first steps in this process; its peak in megabytes."""
    with Store.open(Path(runs), write=False) as store:
        record = replace(store.run(run_id), report=None)
        export_coefficients(record, (s for s in each_step(store, run_id) if s.number < int(steps)), Path(path))
    lines = Path("/proc/self/status").read_text().splitlines()  # What `resource` says begins at the parent's peak.
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


if __name__ == "__main__":
    main()
