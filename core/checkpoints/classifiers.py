"""Checkpoints of image classifiers: the encoder under its own names, wherever in the file it is, and the trained head.

What belongs to the encoder follows from the architecture of the base, so that nothing is guessed from names alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from core.checkpoints.layouts import Kind, Layout, SeveralModels
from core.checkpoints.source import CheckpointSource, TensorEntry, TensorRecipe
from core.encoders.models import VISUAL

if TYPE_CHECKING:
    from core.encoders.building import Outline

DEEPEST = 3
"""Parts of a prefix that a training program may have put before the names."""
HEAD = "head."
"""Prefix of the trained head's weight and bias in a layout."""


def arrange(
    file: str,
    source: CheckpointSource,
    outline: Outline,
    rename: Callable[[str], str],
    title: str,
    inside: str | None = None,
) -> Layout | None:
    """The layout of a file with the encoder of an outline, under any prefix; None where less than half of it is there.

    `inside` chooses one of several: the names of its tensors begin so. Raises `SeveralModels` where nobody has.
    """
    table = source.table
    wanted = {*outline.parameters, *outline.buffers}
    prefixes = [prefix for prefix in _prefixes(table, wanted) if prefix.startswith(inside or "")]
    found = {prefix: _under(prefix, table, wanted, outline.head, rename) for prefix in prefixes}
    parts = {prefix: {part for one in recipes.values() for part in one.parts} for prefix, recipes in found.items()}
    most = max(map(len, parts.values()), default=0)
    if 2 * most < len(outline.parameters):
        return None
    best = next(prefix for prefix, names in parts.items() if len(names) == most)
    used = parts[best]
    several = {best: used}
    for prefix, names in parts.items():  # `teacher.` comes before `teacher.vit.`, which is the same model.
        if 2 * len(names) >= most and not any(names & own for own in several.values()):
            several[prefix] = names
    if len(several) > 1:
        raise SeveralModels(file, {prefix: len(several[prefix]) for prefix in sorted(several)}, source.entries)
    recipes = found[best]
    return Layout(title, Kind.CLASSIFIER, recipes, tuple(name for name in table if name not in used))


def trained(table: Mapping[str, TensorEntry], head: str) -> dict[str, TensorRecipe]:
    """The recipes of a head that was saved beside an adapter (`modules_to_save`)."""
    ends = {f"{head}.{last}": f"{HEAD}{last}" for last in ("weight", "bias")} if head else {}
    return {own: TensorRecipe((name,)) for name in table for end, own in ends.items() if f".{name}".endswith(f".{end}")}


def _prefixes(table: Mapping[str, TensorEntry], wanted: set[str]) -> list[str]:
    """Beginnings of names, the empty one first, that enough names have."""
    counted: Counter[str] = Counter()
    for name in table:
        parts = name.split(".")
        counted.update(".".join(parts[:depth]) + "." for depth in range(1, min(DEEPEST, len(parts) - 1) + 1))
    return ["", *(prefix for prefix, number in counted.items() if 2 * number >= len(wanted))]


def _under(
    prefix: str, table: Mapping[str, TensorEntry], wanted: set[str], head: str, rename: Callable[[str], str]
) -> dict[str, TensorRecipe]:
    recipes: dict[str, TensorRecipe] = {}
    for name in table:
        if not name.startswith(prefix):
            continue
        own = rename(name.removeprefix(prefix))
        if own in wanted:
            recipes[VISUAL + own] = TensorRecipe((name,))
        elif head and own in (f"{head}.weight", f"{head}.bias"):
            recipes[HEAD + own.rpartition(".")[2]] = TensorRecipe((name,))
    return recipes
