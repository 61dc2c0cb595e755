"""What people call a run and its method, and what tells runs of one name apart, as the command line takes it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from core.store.records import RunRecord

EDITED = "λ changed by hand"
MOST = 3
"""Settings that are named at most; further ones become `…`."""


def title_of(method: str) -> str:
    """A method's title; its name where the registry does not know it (any more)."""
    from core import methods  # Loads PyTorch, for which the page does not wait.

    found = methods.known(method)
    return method if found is None else found.title


def method_title(record: RunRecord) -> str:
    """How a run was made: its method, and whether a person changed λ afterwards."""
    title = title_of(record.method)
    return title if record.what_if is None else f"{title}, {EDITED}"


def run_title(record: RunRecord) -> str:
    """The name that the owner gave a run, else its method."""
    return record.name or method_title(record)


def differences(runs: Sequence[RunRecord], names: Mapping[str, str]) -> dict[str, str]:
    """Id -> what differs from other runs of the same name (`names`: id -> name); empty where one run has it alone."""
    by_name: dict[str, list[RunRecord]] = {}
    for run in runs:
        by_name.setdefault(names[run.id], []).append(run)
    found = dict.fromkeys((run.id for run in runs), "")
    for same in by_name.values():
        if len(same) > 1:
            found |= _told(same)
    return found


def _told(runs: Sequence[RunRecord]) -> dict[str, str]:
    names = dict.fromkeys(name for run in runs for name in run.settings)
    unlike = [name for name in names if len({repr(run.settings.get(name)) for run in runs}) > 1]
    usual = {name: _usual([repr(run.settings.get(name)) for run in runs]) for name in unlike}
    tasks = len({run.tasks for run in runs}) > 1
    found = {}
    for run in runs:
        parts = [f"{len(run.tasks)} tasks"] if tasks else []
        own = {name: run.settings[name] for name in unlike if name in run.settings}
        parts += [f"{name}={_value(value)}" for name, value in own.items() if repr(value) != usual[name]]
        found[run.id] = ", ".join([*parts[:MOST], *(["…"] if len(parts) > MOST else [])])
    # The same once more is told apart by when it was started.
    repeated = {text for text in found.values() if list(found.values()).count(text) > 1}
    for run in runs:
        if found[run.id] in repeated:
            found[run.id] = ", ".join(filter(None, (found[run.id], run.created[5:16].replace("T", " "))))
    return found


def _usual(values: Sequence[str]) -> str | None:
    """The value that most have, which need not be named; None where no value is more frequent than all others."""
    (first, count), *rest = Counter(values).most_common(2)
    return first if not rest or count > rest[0][1] else None


def _value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    return "none" if value is None else str(value)
