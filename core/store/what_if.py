"""A run whose λ was changed by hand: where it came from, what was changed, what its λ had cost before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Edit:
    """One change of λ."""

    task: str
    """A task's name; empty for all."""
    where: str
    """`block:…`, `kind:…`, `column:…`; empty for everywhere."""
    op: str
    """`set`, `scale` or `add`."""
    value: float

    @property
    def words(self) -> str:
        """As the page says it: `digits, block 3: λ × 1.1`."""
        sign = {"set": "= ", "scale": "× "}.get(self.op, "+" if self.value >= 0 else "−")
        value = abs(self.value) if self.op == "add" else self.value
        return f"{self.task or 'all tasks'}, {self.where.partition(':')[2] or 'all layers'}: λ {sign}{value:g}"


@dataclass(frozen=True)
class WhatIf:
    """Part of the identity of such a run, which is no run of the method whose λ it began with."""

    of: str
    """Id of the run whose λ was changed; it may be deleted by now."""
    step: int
    edits: tuple[Edit, ...]
    seconds: float | None = None
    """Time of the steps that had led to the λ; it is in the run's own `seconds`. None where nobody knows any more."""
    samples: int | None = None
    """Images used in these steps; they are in the run's own `samples_seen`."""

    @staticmethod
    def of_plain(raw: Any) -> WhatIf | None:
        """From `execution["what_if"]`; the version before noted no cost. None for other runs."""
        if not isinstance(raw, Mapping):
            return None
        edits = tuple(_edit(one) for one in raw.get("edits") or () if isinstance(one, Mapping))
        step = raw.get("step")
        step = step if isinstance(step, int) else 0
        return WhatIf(str(raw.get("of", "")), step, edits, raw.get("seconds"), raw.get("samples"))

    def plain(self) -> dict[str, Any]:
        """Ready for JSON."""
        return asdict(self) | {"edits": [asdict(edit) for edit in self.edits]}

    @property
    def words(self) -> str:
        """All changes in one line."""
        return "; ".join(edit.words for edit in self.edits)


def _edit(raw: Mapping[str, Any]) -> Edit:
    task, where, op = (str(raw.get(key, "")) for key in ("task", "where", "op"))
    value = raw.get("value")
    return Edit(task, where, op, float(value) if isinstance(value, int | float) else 0.0)
