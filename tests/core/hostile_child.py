"""Opens hostile files in a process of its own and writes down everything that Python was made to do meanwhile.

python -m tests.core.hostile_child FOLDER -> JSON: payloads|odd|bombs -> name -> [outcome, seconds, megabytes, events]
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from pathlib import Path
from typing import Any

from core.checkpoints import identify, load_checkpoint
from core.errors import BadCheckpoint
from tests.core import bombs, hostile

SEEN: list[str] = []
ARMED = [False]
HARMLESS = (
    "object.",
    "sys._getframe",
    "builtins.id",
    "os.listdir",
    "os.scandir",
    "os.stat",
    "time.sleep",
    "gc.",
    "array.",
)


def watch(event: str, arguments: tuple[Any, ...]) -> None:
    """The audit hook. Reading a file is all that may happen."""
    if not ARMED[0] or event.startswith(HARMLESS):
        return
    if event == "open" and not any(mark in str(arguments[1]) for mark in "wax+") and not _writes(arguments[2]):
        return
    SEEN.append(event)


def _writes(flags: object) -> bool:
    return isinstance(flags, int) and bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))


def peak() -> float:
    """Megabytes this process has held at most, since the last `forget`."""
    if Path("/proc/self/status").exists():
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def forget() -> None:
    """Let `peak` count from now, where the system can."""
    if Path("/proc/self/clear_refs").exists():
        Path("/proc/self/clear_refs").write_text("5")


def million_lists() -> float:
    """Seconds that this processor takes to make and drop a million lists: what the time of a file is told in."""
    begin = time.process_time()
    lists = [[number] for number in range(1_000_000)]
    while lists:
        lists.pop()
    return time.process_time() - begin


UNIT = min(million_lists() for _ in range(3))


def attempt(path: Path) -> tuple[str, float, float, list[str]]:
    """Look at a file as `inspect` and as `merge` do."""
    SEEN.clear()
    forget()
    before, begin = peak(), time.process_time()
    ARMED[0] = True
    try:
        load_checkpoint(path)
        identify(path)
        outcome = "read"
    except BadCheckpoint as error:
        outcome = str(error)
    finally:
        ARMED[0] = False
    return outcome, (time.process_time() - begin) / UNIT, peak() - before, list(SEEN)


def main(folder: Path) -> None:
    """Open all of them."""
    sys.addaudithook(watch)
    made = {"payloads": hostile.payloads, "odd": hostile.harmless_but_odd, "bombs": bombs.bombs}
    paths = {which: hostile.write_all(make(), folder / which) for which, make in made.items()}
    # What Python imports when it reads the first file of a kind is its own business.
    for number, wrap in enumerate((hostile.zipped, hostile.legacy)):
        warm = folder / f"warm{number}"
        warm.write_bytes(wrap(hostile.state_dict(("weight", hostile.tensor()))))
        assert attempt(warm)[0] == "read"
    found = {which: {name: attempt(path) for name, path in own.items()} for which, own in paths.items()}
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
