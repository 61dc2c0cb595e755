"""Which model a table of names is: finds the image encoder under any prefix and gives tensors their open_clip names."""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypeAlias

from core.checkpoints import hugging_face, timm_names, unusable
from core.checkpoints.source import How, TensorEntry, TensorRecipe
from core.encoders.models import VISUAL
from core.errors import BadCheckpoint


class Kind(StrEnum):
    """What a checkpoint can be used for."""

    CLIP = "image encoder and text tower"
    ENCODER = "image encoder"
    CLASSIFIER = "image classifier"
    ADAPTER = "adapter of an image encoder"
    HEAD = "classification head"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Layout:
    """Whose names a checkpoint uses, and how each open_clip tensor is made of it."""

    name: str
    kind: Kind
    recipes: Mapping[str, TensorRecipe]
    passed_over: tuple[str, ...] = ()
    """Tensors that are not part of the model, or not of a part that is known."""
    from_base: tuple[str, ...] = ()
    """open_clip tensors that this layout leaves out, because fine-tuning did not touch them."""
    others: tuple[str, ...] = ()
    """What stands before the names of other encoders in the file."""
    obstacle: str = ""
    """Why it can't be used, after the name of the file, where its names tell what it is; see `unusable`."""


Arrange: TypeAlias = Callable[[list[str], str], Layout]
"""From the names of an encoder's tensors, and what stands before them in the file, to its layout."""


HUGGING_FACE = re.compile(r"(?P<prefix>.*?)(?:vision_model\.)?embeddings\.(?:class_embedding|patch_embedding\.weight)")
FULL = re.compile(r"(?P<prefix>.*?)visual\.(?:conv1\.weight|class_embedding|trunk\..*)")
TOWER = re.compile(r"(?P<prefix>.*?)(?:class_embedding|ln_pre\.weight|attnpool\.positional_embedding|trunk\..*)")
TIMM = re.compile(r"(?P<prefix>.*?)norm_pre\.weight")
"""Before the first block only CLIP's vision transformers are normalised."""
THETA, RADII = ".theta", ".r"
LORA = re.compile(r".*\.lora_\w+.*")
ADAPTED = "base_model.model."
"""What PEFT puts before the names of the model that it adapts."""
TEXT = re.compile(r"token_embedding\.weight|text\..*")
PART = re.compile(r"(?:.*\.)?(?:visual|embeddings)\.")
"""What stands before names that belong to an encoder of another pattern."""
TRAINED = re.compile(r"(?:.*\.)?(?:head|heads|fc|classifier)\.(?:.*\.)?weight")
"""Weights of trained heads."""
SHOWN = 4
LEFTOVER = re.compile(r"(?:.*\.)?(?:attn_mask|position_ids|input_resolution|context_length|vocab_size)")
"""Buffers that hold no knowledge: which tokens may look at which, 0, 1, 2, …, and sizes in OpenAI's archives."""


class SeveralModels(BadCheckpoint):
    """A checkpoint holds several models, and nobody has said which is meant; `choices` are what `inside` can be."""

    def __init__(self, file: str, choices: Mapping[str, int], entries: Container[str]) -> None:
        self.choices = tuple(choices)
        first = self.choices[0]
        how = f"key: {first.removesuffix('.')}" if first in entries else f"prefix: {first or '.'}"
        counts = " and ".join(f"{count:,}" for count in list(choices.values())[:SHOWN])
        super().__init__(
            f"`{file}` should hold one image encoder. Found several, under {_shown(choices)} ({counts} tensors). "
            f"Choose one with `{how}` beside `weights` in the suite file, or save only one."
        )


def find_layout(
    file: str,
    table: Mapping[str, TensorEntry],
    *,
    adapter: bool = False,
    inside: str | None = None,
    entries: Container[str] = (),
) -> Layout:
    """The layout of a checkpoint; of an adapter also where only its configuration says so.

    `inside` chooses one of several models: the names of its tensors begin so. `entries` are the beginnings of names
    that are entries of a dictionary. Raises `BadCheckpoint`: `SeveralModels` where it is not said which is meant.
    """
    if adapter or any(LORA.fullmatch(name) for name in table):
        # What it holds as a whole, such as a head.
        whole = {name.removeprefix(ADAPTED): TensorRecipe((name,)) for name in table if not LORA.fullmatch(name)}
        return Layout("PEFT adapter", Kind.ADAPTER, whole)
    every = _encoders(table)
    if told := unusable.obstacle((name for name in table if name.startswith(inside or "")), bool(every)):
        return Layout("unknown names", Kind.UNKNOWN, {name: TensorRecipe((name,)) for name in table}, obstacle=told)
    encoders = every if inside is None else _chosen(every, inside)
    if len(encoders) > 1:
        raise SeveralModels(file, {prefix: len(_below(table, prefix, every)) for prefix in encoders}, entries)
    for prefix, arrange in encoders.items():
        own = _below(table, prefix, every)
        layout = arrange([name.removeprefix(prefix) for name in own], prefix)
        layout = replace(layout, others=tuple(other for other in every if other and not prefix.startswith(other)))
        return _checked(file, table, layout, tuple(name for name in table if name not in own))
    start = inside or ""
    rest = {name.removeprefix(start): entry for name, entry in table.items() if name.startswith(start)}
    head = _is_head(rest)
    if not rest or (inside is not None and every and not head):
        begins = sorted({f"{name.partition('.')[0]}." for name in table})
        found = f"Found image encoders under {_shown(every)}." if every else f"Found names under {_shown(begins)}."
        raise BadCheckpoint(f"`{file}` should hold a model whose names begin with `{start or '.'}`. {found}")
    recipes = {name: TensorRecipe((start + name,)) for name in rest}
    if head:
        return Layout("linear layer", Kind.HEAD, recipes)
    if _is_classifier(rest):
        return Layout("image classifier", Kind.CLASSIFIER, recipes)
    return Layout("unknown names", Kind.UNKNOWN, recipes)


def _encoders(table: Iterable[str]) -> dict[str, Arrange]:
    """What stands before the names of each image encoder -> what finds its place for each of them; sorted."""
    found: dict[str, Arrange] = {}
    for pattern, arrange in ((HUGGING_FACE, _hugging_face), (FULL, _open_clip), (TIMM, _timm)):
        matches = [match["prefix"] for match in map(pattern.fullmatch, table) if match]
        found |= {prefix: arrange for prefix in matches if not prefix.endswith("trunk.")}
    names = set(table)
    for match in filter(None, map(TOWER.fullmatch, names)):
        prefix = match["prefix"]
        # Beside another encoder, single names of one may mean anything.
        if not PART.fullmatch(prefix) and (not found or f"{prefix}conv1.weight" in names or "trunk." in match[0]):
            found.setdefault(prefix, _tower)
    return dict(sorted(found.items()))


def _chosen(encoders: Mapping[str, Arrange], inside: str) -> dict[str, Arrange]:
    """Those that `inside` means: the one whose names begin just so, or else all that lie in it."""
    for wanted in (inside, f"{inside}."):
        if wanted in encoders:
            return {wanted: encoders[wanted]}
    return {prefix: arrange for prefix, arrange in encoders.items() if prefix.startswith(inside)}


def _below(table: Iterable[str], prefix: str, encoders: Iterable[str]) -> dict[str, None]:
    """The names that begin with `prefix`, without those of encoders that lie further inside."""
    inner = tuple(other for other in encoders if other != prefix and other.startswith(prefix))
    return {name: None for name in table if name.startswith(prefix) and not name.startswith(inner)}


def _shown(prefixes: Iterable[str]) -> str:
    return ", ".join(f"`{prefix or '.'}`" for prefix in list(prefixes)[:SHOWN])


def _hugging_face(names: list[str], prefix: str) -> Layout:
    made, unknown = hugging_face.recipes(names)
    recipes = _prefixed(made, prefix)
    projected, text = "visual.proj" in made, "token_embedding.weight" in made
    title = "Hugging Face CLIP model" if text else "Hugging Face CLIP vision model"
    title += " with projection" if projected and not text else ""
    rest = tuple(prefix + name for name in unknown)
    return Layout(title, Kind.CLIP if text else Kind.ENCODER, recipes, rest, () if projected else ("visual.proj",))


def _timm(names: list[str], prefix: str) -> Layout:
    made, unknown = timm_names.recipes(names)
    recipes = _prefixed({VISUAL + name: recipe for name, recipe in made.items()}, prefix)
    rest = tuple(prefix + name for name in unknown)
    return Layout("CLIP image encoder under timm's names", Kind.ENCODER, recipes, rest, ("visual.proj",))


def _prefixed(recipes: Mapping[str, TensorRecipe], prefix: str) -> dict[str, TensorRecipe]:
    return {name: replace(r, parts=tuple(prefix + part for part in r.parts)) for name, r in recipes.items()}


def _open_clip(names: list[str], prefix: str) -> Layout:
    recipes = _prefixed(_plain(names), prefix)
    kind = Kind.CLIP if _has_text_tower(names) else Kind.ENCODER
    return Layout("open_clip model" if kind == Kind.CLIP else "open_clip image encoder", kind, recipes)


def _tower(names: list[str], prefix: str) -> Layout:
    recipes = _prefixed({VISUAL + name: recipe for name, recipe in _plain(names).items()}, prefix)
    return Layout("open_clip image encoder alone", Kind.ENCODER, recipes)


def _plain(names: list[str]) -> dict[str, TensorRecipe]:
    """open_clip's own names, but those of buffers that hold no knowledge; geometric pairs are one weight."""
    pairs = {name.removesuffix(THETA) for name in names if name.endswith(THETA)} & {
        name.removesuffix(RADII) for name in names if name.endswith(RADII)
    }
    ends = tuple(f"{pair}{end}" for pair in pairs for end in (THETA, RADII))
    made = {name: TensorRecipe((name,)) for name in names if not LEFTOVER.fullmatch(name) and name not in ends}
    return made | {
        f"{pair}.weight": TensorRecipe((pair + THETA, pair + RADII), How.GEOMETRIC) for pair in sorted(pairs)
    }


def _has_text_tower(names: Iterable[str]) -> bool:
    """Whether texts can be embedded; the authors' encoders keep its embeddings but not its transformer."""
    found = list(names)
    blocks = any(name.startswith(("transformer.", "text.")) for name in found)
    return blocks and any(TEXT.fullmatch(name) for name in found)


def _is_head(table: Mapping[str, TensorEntry]) -> bool:
    """One linear layer: a matrix `[classes, embed_dim]`, perhaps with a bias."""
    names = {name.rpartition(".")[2]: entry for name, entry in table.items()}
    if len(names) != len(table) or not {"weight"} <= set(names) <= {"weight", "bias"}:
        return False
    return len(names["weight"].shape) == 2 and ("bias" not in names or names["bias"].shape == names["weight"].shape[:1])


def _is_classifier(table: Mapping[str, TensorEntry]) -> bool:
    """Whether it begins with a convolution, and has a trained head."""
    trained = any(TRAINED.fullmatch(name) and len(entry.shape) == 2 for name, entry in table.items())
    return trained and any(len(entry.shape) == 4 and entry.shape[1] == 3 for entry in table.values())


def _checked(file: str, table: Mapping[str, TensorEntry], layout: Layout, outside: tuple[str, ...]) -> Layout:
    """The layout, if its recipes can be carried out."""
    for name, recipe in layout.recipes.items():
        if wrong := recipe.wrong(table):
            raise BadCheckpoint(f"`{file}`: {wrong.format(f'`{name}`')}.")
    return replace(layout, passed_over=(*layout.passed_over, *outside))
