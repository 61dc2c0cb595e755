"""λ over time for other programs, written step by step: a run of any length needs no more memory than a short one."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from core.errors import BadInput
from core.export.render import sheet_cell
from core.files import replacing
from core.store import RunRecord, StepRecord, Store

if TYPE_CHECKING:
    from core.store.records import Float32

_PART = 500
"""Steps that are read at once."""
_ALIGNED = 8
_Steps = Iterator[tuple[int, "Float32"]]


def each_step(store: Store, run_id: str) -> Iterator[StepRecord]:
    """All steps of a run in order, a part of them in memory at a time."""
    since = -1
    while rows := store.steps(run_id, since=since, limit=_PART):
        yield from rows
        since = rows[-1].number


def export_coefficients(record: RunRecord, steps: Iterable[StepRecord], path: Path) -> Float32:
    """Write λ of the given steps as .json, .csv (a row per step and group) or .safetensors (a stack of steps); returns
    that of the last one.

    Raises `BadInput` for another suffix or a run without λ, `CannotWrite` where the disk refuses.
    """
    if path.suffix not in _WRITERS:
        raise BadInput(f"Coefficients are written as .json, .csv or .safetensors. Found `{path.name}`.")
    last: list[Float32] = []

    def known() -> _Steps:
        for step in steps:
            if step.coefficients is not None:
                last[:] = [step.coefficients]
                yield step.number, step.coefficients

    with replacing(path) as temporary:
        _WRITERS[path.suffix](record, known(), temporary)
        if not last:
            raise BadInput(f"Run {record.id} ({record.method}) has no coefficients to export.")
    return last[0]


def _json(record: RunRecord, steps: _Steps, path: Path) -> None:
    numbers: list[int] = []
    with path.open("w", encoding="utf-8") as file:
        file.write(json.dumps(_facts(record))[:-1] + ', "values": [')
        for number, values in steps:
            file.write((", " if numbers else "") + json.dumps(values.tolist()))
            numbers.append(number)
        file.write(f'], "steps": {numbers}}}')


def _csv(record: RunRecord, steps: _Steps, path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(_line(["step", "group", *record.tasks]))
        groups = [_line([group])[:-1] for group in record.groups]
        for number, values in steps:
            for group, row in zip(groups, values.tolist(), strict=True):
                file.write(f"{number},{group},{','.join(map(repr, row))}\n")


def _safetensors(record: RunRecord, steps: _Steps, path: Path) -> None:
    # The library takes whole arrays only; the header, which says how many steps there are, comes before them.
    numbers, stacked = [], path.with_name("values")
    with stacked.open("wb") as file:
        for number, values in steps:
            file.write(values.astype("<f4").tobytes())
            numbers.append(number)
    shapes = {"coefficients": [len(numbers), len(record.groups), len(record.tasks)], "steps": [len(numbers)]}
    ends = [stacked.stat().st_size, stacked.stat().st_size + 8 * len(numbers)]
    facts = {name: json.dumps(value) for name, value in _facts(record).items()}
    header = {"__metadata__": facts, "coefficients": _entry("F32", shapes["coefficients"], 0, ends[0])}
    text = json.dumps(header | {"steps": _entry("I64", shapes["steps"], ends[0], ends[1])}).encode()
    text += b" " * (-len(text) % _ALIGNED)
    with path.open("wb") as file, stacked.open("rb") as values_file:
        file.write(len(text).to_bytes(8, "little") + text)
        shutil.copyfileobj(values_file, file)
        file.write(np.array(numbers, "<i8").tobytes())


def _entry(dtype: str, shape: Sequence[int], begin: int, end: int) -> dict[str, object]:
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}


def _facts(record: RunRecord) -> dict[str, object]:
    facts: dict[str, object] = {"run": record.id, "suite": record.suite, "method": record.method}
    if record.what_if is not None:
        facts["what_if"] = record.what_if.plain()
    return facts | {"groups": list(record.groups), "tasks": list(record.tasks)}


def _line(cells: Sequence[str]) -> str:
    """A line of texts, none of which a spreadsheet takes for a formula."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(map(sheet_cell, cells))
    return text.getvalue()


_WRITERS: dict[str, Callable[[RunRecord, _Steps, Path], None]] = {
    ".json": _json,
    ".csv": _csv,
    ".safetensors": _safetensors,
}
