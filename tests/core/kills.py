"""What `test_resume.py` and `tests.bench.kills` kill, and what they expect of what is left.

Each function kills as often as it is told, and raises AssertionError where an acknowledged step is lost, something
half-written stands at or beside a target, the store needs a repair, or the end is not, bit for bit, that of whoever was
never killed.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import time
from collections import defaultdict
from collections.abc import Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from safetensors.numpy import load_file

from core.files import sha256
from core.store import Store
from tests.core import kill_child
from tests.forks import TEMPLATE


class Whole(NamedTuple):
    """A run that nobody stopped."""

    folder: Path
    run: str


class Forge:
    """Starts what is to be killed, with its files and temporary files in `home`."""

    def __init__(self, home: Path) -> None:
        self.home, self.temporary = home, home / "tmp"
        self.temporary.mkdir()
        self._places = {"MERGESCOPE_HOME": str(home), "TMPDIR": str(self.temporary)}
        self.process: BaseProcess | None = None
        self.ended: int | None = 0

    def send(self, *words: object) -> None:
        """Start a process; one that a failed test left behind goes first."""
        self.close()
        self._point = words[-2:]
        reading, writing = TEMPLATE.Pipe(duplex=False)
        order = [str(word) for word in words]
        self.process = TEMPLATE.Process(target=kill_child.child, args=(writing, self._places, *order))
        self.process.start()
        writing.close()
        self._said = os.fdopen(os.dup(reading.fileno()))

    def lines(self) -> Iterator[tuple[str, str]]:
        """What it says, word and value, until it is gone; how is in `ended`."""
        assert self.process is not None
        if self._point[0] == "after":
            self.process.join(int(str(self._point[1])) / 1000)
            self.process.kill()
        with self._said:
            for line in self._said:
                word, _, value = line.strip().partition(" ")
                yield word, value
        self.process.join()
        self.ended, self.process = self.process.exitcode, None

    def said(self, *words: object) -> list[tuple[str, str]]:
        """What a child says until its end, which nobody else than `words` brings about."""
        self.send(*words)
        said = list(self.lines())
        assert self.ended in (0, -signal.SIGKILL), f"{words} ended with {self.ended}"
        return said

    def whole(self, *words: object) -> float:
        """Seconds that a child takes that nobody kills."""
        begin = time.monotonic()
        assert self.said(*words, "none", 0)[-1] == ("end", "")
        return time.monotonic() - begin

    def close(self) -> None:
        """End it."""
        if self.process is not None:
            self.process.kill()
            self.process.join()


def facts(store: Store, run_id: str) -> list[tuple[Any, ...]]:
    """Every bit of the steps that must not depend on interruptions."""
    return [
        (s.number, s.losses, s.entropies, s.samples, None if s.coefficients is None else s.coefficients.tobytes())
        for s in store.steps(run_id)
    ]


def result(store: Store, run_id: str) -> dict[str, Any]:
    """The report without its times."""
    report = store.run(run_id).report
    assert report is not None
    return {k: v for k, v in report.items() if k not in ("seconds", "seconds_per_step", "peak_memory_mb")}


def never_stopped(forge: Forge, suite: Path, folder: Path, steps: int) -> Whole:
    """A run that nobody kills."""
    said = forge.said("run", folder, suite, steps, "none", 0)
    assert said[-1] == ("end", "")
    return Whole(folder, dict(said)["id"])


def assert_same(folder: Path, run_id: str, whole: Whole) -> None:
    """A run that was killed ends as one that was not."""
    with Store.open(folder, write=False) as store, Store.open(whole.folder, write=False) as other:
        assert facts(store, run_id) == facts(other, whole.run), "other steps"
        assert result(store, run_id) == result(other, whole.run), "another report"
        model, expected = (
            load_file(s.artefact(i, "merged.safetensors")) for s, i in ((store, run_id), (other, whole.run))
        )
        assert model.keys() == expected.keys()
        assert all(np.array_equal(model[name], expected[name]) for name in expected), "another model"
    assert not list(folder.glob("artefacts/*/.*")), "something half-written"


def check_after_death(folder: Path, run_id: str, acknowledged: int, steps: int) -> int:
    """What the next process sees; returns the last stored step."""
    with Store.open(folder, wait=5) as store:
        assert not store.read_only
        assert store.notices == (), store.notices
        found = store.run(run_id)
        numbers = [s.number for s in store.steps(run_id)]
        assert found.status == "interrupted", found.status
        assert numbers == list(range(len(numbers))), numbers
        last = len(numbers) - 1
        assert acknowledged <= last <= acknowledged + 1, (acknowledged, last)
        assert found.steps_done == max(last, 0)
        state = store.last_state(run_id)
        assert (state[0] if state else -1) == min(last, steps - 1)
    return last


def again_and_again(forge: Forge, suite: Path, folder: Path, kills: int) -> None:
    """One run, killed so often while it goes on, a moment after a step that it acknowledged."""
    steps = 3 * kills + 5
    whole, folder = never_stopped(forge, suite, folder / "whole", steps), folder / "killed"
    dice, acknowledged, run_id = random.Random(0), -1, ""
    order: list[object] = ["run", folder, suite, steps]
    for death in range(kills):
        wait, patience = dice.choice((1, 1, 2)), dice.random() * 0.02
        forge.send(*order, "linger", wait)
        assert forge.process is not None
        for word, value in forge.lines():
            if word == "id":
                run_id = value
            elif word == "step":
                acknowledged, wait = int(value.split()[0]), wait - 1
                if wait == 0:
                    if death == 0:
                        with Store.open(folder, wait=0.1) as second:
                            assert second.read_only
                            assert f"process {forge.process.pid}" in str(second.holder)
                            assert second.run(run_id).status == "running"
                    time.sleep(patience)
                    forge.process.kill()
            assert word != "end"
        acknowledged = check_after_death(folder, run_id, acknowledged, steps)
        order = ["resume", folder, run_id]
    assert kills <= acknowledged + 1 < steps
    forge.whole(*order)
    assert_same(folder, run_id, whole)


def at(forge: Forge, suite: Path, folder: Path, whole: Whole, steps: int, point: str, count: int) -> bool:
    """A run that is killed there goes on to the same end; False where it ended before it came there."""
    said = forge.said("run", folder, suite, steps, point, count)
    if forge.ended == 0:
        return False
    run_id, acknowledged = dict(said)["id"], [int(value.split()[0]) for word, value in said if word == "step"]
    with Store.open(folder, wait=5) as store:
        over = store.run(run_id).status == "done"  # What it wrote last was for others.
    if not over:
        check_after_death(folder, run_id, acknowledged[-1] if acknowledged else -1, steps)
        forge.whole("resume", folder, run_id)
    assert_same(folder, run_id, whole)
    return True


def study(forge: Forge, suite: Path, folder: Path, kills: int) -> None:
    """A study with its files, killed at any moment, goes on by the same command; its runs that are done stay."""
    command = ["study", "data_fraction", suite, "--quick", "--methods", "adamerging", "--set", "steps=6"]

    def order(place: Path) -> list[object]:
        return ["command", place, *command, "--set", "batch=2", "--runs", place, "--out", place / "out"]

    def ended(place: Path) -> tuple[Any, dict[str, Any]]:
        [told] = place.glob("out/*.json")
        with Store.open(place) as store:
            assert [one.status for one in store.studies.listing()] == ["done"]
            runs = {record.cell: facts(store, record.id) for record in store.runs()}
            assert len(runs) == len(store.runs()), "a cell has two runs"
        return json.loads(told.read_text())["tables"], runs

    forge.whole(*order(folder / "first"))  # Later ones are quicker by what it remembers.
    seconds, dice = forge.whole(*order(folder / "whole")), random.Random(0)
    expected, names = ended(folder / "whole"), {file.name for file in folder.glob("whole/out/*")}
    for number in range(3 * kills):
        place, finished = folder / str(number), dict[str, str | None]()
        while True:
            said = forge.said(*order(place), "after", round(1000 * seconds * dice.uniform(0.1, 1)))
            if kills == 0 or forge.ended == 0:
                break
            kills -= 1
            check_study(place, said, finished, names)
        forge.whole(*order(place))
        assert ended(place) == expected, "another result"
        assert {file.name for file in place.glob("out/*")} == names, "something half-written"
        if kills == 0:
            return
    raise AssertionError("it was too quick to be killed")


def check_study(place: Path, said: list[tuple[str, str]], finished: dict[str, str | None], names: set[str]) -> None:
    """What the next process sees of a study that was killed; notes in `finished` when runs ended."""
    told = defaultdict[str, int](int)
    for number, run_id in (value.split() for word, value in said if word == "step"):
        told[run_id] = int(number)
    with Store.open(place, wait=5) as store:
        assert store.notices == (), store.notices
        assert {one.status for one in store.studies.listing()} <= {"interrupted", "done"}
        records = {record.id: record for record in store.runs()}
        assert {record.status for record in records.values()} <= {"interrupted", "done"}
        assert all(len(store.steps(run_id)) > number for run_id, number in told.items()), "a step is lost"
        assert all(records[run_id].finished == when for run_id, when in finished.items()), "done, and made again"
        finished |= {record.id: record.finished for record in records.values() if record.status == "done"}
    for file in place.glob("out/[!.]*"):
        assert file.name in names
        assert file.suffix != ".json" or json.loads(file.read_text())["tables"]
        assert file.suffix != ".html" or file.read_text().rstrip().endswith("</html>")


POINTS = [
    *(("before_cursor_execute", count) for count in (1, 4, 12)),
    *(("after_cursor_execute", 9), ("commit", 9), ("commit", 10)),
    *(("watch", 2), ("evaluate", 2), ("export", 1)),
]
"""Where a run of six steps is killed."""


def contents(folder: Path) -> dict[str, str]:
    """Path -> hash, of what people see in a folder."""
    files = ((str(file.relative_to(folder)), file) for file in folder.rglob("*") if file.is_file())
    return {path: sha256(file) for path, file in files if not path.startswith(".")}


def exports(forge: Forge, whole: Whole, folder: Path, kills: int) -> None:
    """Files that are exported, killed at every other write and at any moment: the earlier ones or the new ones."""
    files, model = folder / "files", folder / "hf"
    files.mkdir(parents=True)
    kinds = ["--out", files / "m.safetensors", "--coefficients", files / "c.csv", "--report", files / "r.json"]
    order = ["command", folder, "runs", "export", whole.run, "--runs", whole.folder]
    for place, what in ((files, kinds), (model, ["--format", "hf", "--out", model])):
        seconds, expected, dice = forge.whole(*order, *what), contents(place), random.Random(0)
        for number in range(kills):
            shutil.rmtree(model, ignore_errors=True)
            for file in files.glob("[!.]*"):
                file.write_bytes(b"previous")
            before = contents(place)
            point = ("write", 1 + number // 2) if number % 2 == 0 else ("after", round(1000 * seconds * dice.random()))
            forge.said(*order, *what, *point)
            found = contents(place)
            if place == files:
                assert found.keys() == expected.keys(), "an earlier file is gone"
                assert all(found[name] in (before[name], expected[name]) for name in found), "something half-written"
            else:
                assert found in ({}, expected), "something half-written"
        shutil.rmtree(model, ignore_errors=True)
        forge.whole(*order, *what)
        assert contents(place) == expected
        assert not [*folder.glob(".*"), *place.glob(".*")], "something half-written"
    with Store.open(whole.folder) as store:
        assert store.notices == ()
        assert store.kept(whole.run, "merged.safetensors")


def downloads(forge: Forge, whole: Whole, kills: int) -> None:
    """What a page gives, killed while it is made: the run stays as it was, and nothing stays in the system's folder."""
    seconds, dice = forge.whole("downloads", *whole), random.Random(0)
    for number in range(kills):
        point = ("write", 1 + number) if number % 2 == 0 else ("after", round(1000 * seconds * dice.random()))
        forge.said("downloads", *whole, *point)
        assert len(list(forge.temporary.iterdir())) <= 1, "what earlier ones left"
    forge.whole("downloads", *whole)
    assert not list(forge.temporary.iterdir()), "what was killed left something"
    with Store.open(whole.folder) as store:
        assert store.notices == ()
        assert store.run(whole.run).status == "done"
