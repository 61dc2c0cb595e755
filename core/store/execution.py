"""How a run is computed, and where its λ came from: what has to be the same for it to be repeated bit for bit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
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
    """Where λ that was changed by hand came from; such a run is none of the method whose λ it began with."""

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
        """From `execution["what_if"]`; the version before noted no cost. None for other runs.

        Raises `TypeError` or `LookupError` where it is something else.
        """
        if raw is None:
            return None
        edits = tuple(Edit(one["task"], one["where"], one["op"], float(one["value"])) for one in raw["edits"])
        return WhatIf(raw["of"], raw["step"], edits, raw.get("seconds"), raw.get("samples"))

    def plain(self) -> dict[str, Any]:
        """Ready for JSON."""
        return asdict(self) | {"edits": [asdict(edit) for edit in self.edits]}

    @property
    def words(self) -> str:
        """All changes in one line."""
        return "; ".join(edit.words for edit in self.edits)


@dataclass(frozen=True)
class Execution:
    """The JSON object beside a stored run. A field that an earlier version did not note has its default."""

    device: str = ""
    """Where it ran, or was asked to."""
    precision: str = ""
    """Number format of the forward and backward pass."""
    deltas: str = ""
    """Number format of the task vectors."""
    memory: str = ""
    """`ram`, or `mapped` where the task vectors stay on disk."""
    micro_batch: int | None = None
    threads: int | None = None
    processes: int | None = None
    """How many held the task vectors together; None: one."""
    torch: str = ""
    """Version of PyTorch."""
    made_by: str = ""
    """Version of Mergescope with the revision of its formulas (`core.runs.spec.REVISION`)."""
    unseen: tuple[str, ...] | None = None
    """Tasks that are evaluated only; None where that was not noted."""
    content: Mapping[str, str] = field(default_factory=dict)
    """Task -> hash of all that its accuracies depend on beside the weights."""
    evaluate_every: int = 0
    images: Mapping[str, Any] | None = None
    """How the test images are altered, see `core.problem.variants.variant`."""
    images_from: tuple[str, ...] = ()
    """Tasks whose images are learned from; empty: the merged ones."""
    measures: tuple[Mapping[str, Any], ...] = ()
    """What is measured beside accuracy, see `core.measures`."""
    loaded: tuple[str, ...] = ()
    """Tasks that were loaded with its own; empty: none but these."""
    keep_model: bool = True
    what_if: WhatIf | None = None
    """Where λ came from, if a person changed it by hand."""
    captured: str = ""
    """`yes` if steps were repeated from a recording (a CUDA graph), or why they were not; empty if nobody asked."""
    resumed_with: tuple[Mapping[str, Any], ...] = ()
    """The versions of PyTorch that took over: `{"after_step": n, "torch": version}`."""
    check: tuple[str, ...] | None = None
    """What the check before the start warned of (`core.insight.trust`), as the report's `check` says; None where it was
    not asked, or not done yet."""
    more: Mapping[str, Any] = field(default_factory=dict)
    """What a later version noted; it is kept."""

    @property
    def packed(self) -> bool:
        """Whether the task vectors were rounded to whole numbers with scales, see `core.problem.packed`."""
        return self.deltas.startswith("int")

    @property
    def formats(self) -> str:
        """Its number formats in words: `float32`, or `float32, task vectors in int4`."""
        return f"{self.precision}, task vectors in {self.deltas}" if self.packed else self.precision

    @staticmethod
    def of_plain(values: Mapping[str, Any]) -> Execution:
        """From the stored JSON; raises `TypeError` or `LookupError` where it is none."""
        known = {name: value for name, value in values.items() if value is not None and name in _NAMES}
        known |= {name: tuple(known[name]) for name in _LISTS if name in known}
        more = {name: value for name, value in values.items() if name not in _NAMES}
        return Execution(**known | {"what_if": WhatIf.of_plain(values.get("what_if")), "more": more})

    def plain(self) -> dict[str, Any]:
        """Ready for JSON; what is not known is left out."""
        values = {name: getattr(self, name) for name in _NAMES}
        values |= {name: list(values[name]) for name in _LISTS if values[name] is not None}
        values["what_if"] = None if self.what_if is None else self.what_if.plain()
        return {name: value for name, value in values.items() if value not in (None, "")} | dict(self.more)


_NAMES = {one.name: None for one in fields(Execution) if one.name != "more"}
_LISTS = ("unseen", "images_from", "measures", "loaded", "resumed_with", "check")
