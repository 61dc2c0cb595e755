"""Measurements kept in a file, one JSON object per line, so that a long bench goes on where it was stopped."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from core.problem.problem import Problem
from tests.bench.demo_gate import Row
from tests.bench.equal_rows import Entry


class Results:
    """Rows by what was measured: method, all given settings, split, checkpoints, images and number format."""

    def __init__(self, file: Path, problem: Problem) -> None:
        self._file = file
        facts = [dict(problem.hashes), dict(problem.content), problem.precision, str(problem.device)]
        self._problem = _digest(facts)
        self._known: dict[str, Row] = {}
        for line in file.read_text("utf-8").splitlines() if file.exists() else ():
            try:
                found = json.loads(line)
            except ValueError:  # The last line of a process that was killed while it wrote.
                continue
            self._known[found["key"]] = Row(**found["row"])

    def row(self, entry: Entry, split: str, values: Mapping[str, Any], measure: Callable[[], Row]) -> Row:
        """The kept row, or a new one, which is kept."""
        key = _digest([self._problem, entry.method, split, dict(values)])
        if key not in self._known:
            self._known[key] = measure()
            facts = {"title": entry.title, "split": split, "values": dict(values), "row": asdict(self._known[key])}
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with self._file.open("a", encoding="utf-8") as kept:
                kept.write(json.dumps({"key": key, **facts}) + "\n")
        return self._known[key]


def _digest(parts: object) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:24]
