"""The cases on which the check before Start is measured: a merge that goes well or badly, each in its own way."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from core.statistics import Half

SHORT, LONG = 0.1, 10.0
"""Factors on the learning rate."""


@dataclass(frozen=True)
class Case:
    """A suite made worse in a known way, and a run on it."""

    name: str
    alterations: tuple[Mapping[str, Any], ...] = ()
    """See `core.problem.stress`."""
    method: str = "adamerging"
    settings: Mapping[str, Any] = field(default_factory=dict)
    rate: float = 1.0
    """Factor on the method's learning rate."""
    seed: int = 0

    @property
    def half(self) -> Half:
        """Whether a threshold is chosen by it or reported on it: by the name alone, before anything is measured."""
        return list(Half)[hashlib.sha256(self.name.encode()).digest()[0] % 2]


def cases(tasks: Sequence[str]) -> list[Case]:
    """All cases on a suite of these tasks; those that need two tasks are left out where there is one."""
    return [*_experts(tasks), *_images(tasks), *_heads(tasks), *_runs(), *_together(tasks)]


def _some(tasks: Sequence[str], share: float, key: str) -> list[str]:
    """A random share of the tasks, at least one."""
    return sorted(random.Random(key).sample(list(tasks), max(1, round(share * len(tasks)))), key=list(tasks).index)


_OF: Mapping[str, Callable[[Sequence[str], str], list[str]]] = {
    "one": lambda tasks, key: _some(tasks, 0, key),
    "half": lambda tasks, key: _some(tasks, 0.5, key),
    "all": lambda tasks, _key: list(tasks),
}


def _each(tasks: Sequence[str], kind: str, befallen: Sequence[str], **values: Any) -> Iterator[Case]:
    for amount in befallen:
        words = [f"{value:g}" if isinstance(value, float) else str(value) for value in values.values()]
        name = f"{' '.join([kind, *words]).replace('_', ' ')}, {amount}"
        alteration = {"kind": kind, "tasks": _OF[amount](tasks, name), **values}
        chosen = {"adapt_on": "held-out"} if kind in ("few", "one_class", "label_shift") else {}
        yield Case(name, (alteration,), settings=chosen)


def _experts(tasks: Sequence[str]) -> Iterator[Case]:
    for by in (0.25, 0.5, 0.75):
        yield from _each(tasks, "weakened", ("one", "half", "all"), by=by)
    for by in (1.5, 2.0, 3.0):
        yield from _each(tasks, "lengthened", ("one", "all"), by=by)
    yield from _each(tasks, "trained_on", ("one", "all"), steps=60)
    for by in (1.0, 2.0):
        yield from _each(tasks, "noisy", ("one", "half", "all"), by=by)
    for seed in range(2):
        yield from _each(tasks, "irrelevant", ("one", "half"), seed=seed)
        yield from _each(tasks, "other_base", ("one", "half"), seed=seed)
    if len(tasks) > 1:
        for seed in range(3):
            pair = random.Random(f"pair {seed}").sample(list(tasks), 2)
            yield Case(f"swapped pair {seed}", ({"kind": "swapped", "tasks": pair},))
        yield Case("swapped, all", ({"kind": "swapped", "tasks": list(tasks)},))


def _images(tasks: Sequence[str]) -> Iterator[Case]:
    for kind, severity in (("gaussian_noise", 3), ("gaussian_noise", 5), ("motion_blur", 3), ("motion_blur", 5)):
        yield from _each(tasks, "corrupted", ("half", "all"), corruption=kind, severity=severity)
    for kind in ("impulse_noise", "pixelate", "contrast"):
        yield from _each(tasks, "corrupted", ("all",), corruption=kind, severity=5)
    yield from _each(tasks, "inverted", ("one", "half", "all"))
    for count in (8, 16, 32):
        yield from _each(tasks, "few", ("all",), count=count)
    yield from _each(tasks, "few", ("half",), count=8)
    yield from _each(tasks, "one_class", ("one", "half", "all"))
    for by in (0.5, 0.8):
        yield from _each(tasks, "label_shift", ("half", "all"), by=by)


def _heads(tasks: Sequence[str]) -> Iterator[Case]:
    yield from _each(tasks, "permuted_head", ("one", "half", "all"), share=1.0)
    yield from _each(tasks, "permuted_head", ("one", "all"), share=0.3)
    yield from _each(tasks, "foreign_head", ("one", "half"))


def _runs() -> Iterator[Case]:
    for seed in range(2):
        yield Case(f"as it is, seed {seed}", seed=seed)
    yield Case("rate × 10", rate=LONG)
    yield Case("rate ÷ 10", rate=SHORT)
    yield Case("clamp off", settings={"clamp": False})
    yield Case("rate × 10, clamp off", rate=LONG, settings={"clamp": False})
    for init in (0.0, 0.6, 1.0):
        yield Case(f"from λ = {init}", settings={"init": init})
    yield Case("from TSV-M", settings={"start": "tsv_m"})
    yield Case("from TSV-M, rate × 10", settings={"start": "tsv_m"}, rate=LONG)
    yield Case("one λ per task", settings={"group": "task"})
    yield Case("one λ per task, rate × 10", settings={"group": "task"}, rate=LONG)
    yield Case("TIES-AdaMerging", method="adamerging_pp")
    yield Case("TIES-AdaMerging, rate × 10", method="adamerging_pp", rate=LONG)
    yield Case("information maximisation", settings={"objective": "information_maximisation"})
    yield Case("KL", settings={"objective": "expert_kl"})
    yield Case("SAMerging", method="samerging")
    yield Case("AdaRank", method="adarank")
    yield Case("best", method="best")


def _together(tasks: Sequence[str]) -> Iterator[Case]:
    half = _some(tasks, 0.5, "together")
    weak: dict[str, Any] = {"kind": "weakened", "by": 0.5}
    noise: dict[str, Any] = {"kind": "corrupted", "corruption": "gaussian_noise", "severity": 5}
    yield Case("weak, rate × 10", (weak,), rate=LONG)
    yield Case("weak and noisy images", (weak, noise))
    yield Case("weak half, noisy images", ({**weak, "tasks": half}, noise))
    yield Case("noisy images, rate × 10", (noise,), rate=LONG)
    yield Case("noisy images, KL", (noise,), settings={"objective": "expert_kl"})
    yield Case("weak half, TIES-AdaMerging", ({**weak, "tasks": half},), method="adamerging_pp")
    yield Case("noisy experts, AdaRank", ({"kind": "noisy", "by": 1.0},), method="adarank")
    yield Case("noisy experts, best", ({"kind": "noisy", "by": 1.0},), method="best")
    yield Case("permuted half, KL", ({"kind": "permuted_head", "tasks": half},), settings={"objective": "expert_kl"})
    yield Case("few, rate × 10", ({"kind": "few", "count": 8},), rate=LONG, settings={"adapt_on": "held-out"})
    yield Case(
        "label shift, rate × 10", ({"kind": "label_shift", "by": 0.5},), rate=LONG, settings={"adapt_on": "held-out"}
    )
