"""What a folder holds that a suite could be made of, and which of it belongs together, told by the names of files."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from core.checkpoints import Kind, SeveralModels, Verdict, identify
from core.checkpoints.formats import ADAPTER, starts_like_weights
from core.checkpoints.layouts import TRAINED
from core.checkpoints.training import is_one
from core.errors import BadCheckpoint, BadInput
from core.files import inside
from core.hub.listing import CONFIGURATION, WEIGHTS
from core.progress import SILENT, Progress
from core.suite.image_sets import LISTS, FoundImages, image_sets
from core.tasks.decode import SUFFIXES

DEEPEST = 6
"""Folders inside one another that are looked into."""
MOST_FOLDERS = 20_000
MOST_CHECKPOINTS = 500
MOST_CONFIGURATION = 64 * 2**10
"""Bytes of a JSON file that is looked into."""
ENDINGS = (".safetensors", ".pth.tar", ".pt", ".pth", ".bin", ".ckpt", ".model")
"""Names that files of weights have; what they are is decided by their content."""
OTHERS = (
    *(*SUFFIXES, ".npz", ".npy", ".parquet", ".arrow", ".zip", ".tar", ".gz", ".7z", ".whl", ".pdf", ".mp4", ".db"),
    *(".json", ".jsonl", ".yaml", ".yml", ".txt", ".md", ".csv", ".tsv", ".log", ".html", ".xml", ".py", ".ipynb"),
    *(".sh", ".lock", ".distcp"),
)
"""Names of files that are not looked into; any other may hold weights."""
MOST_UNUSUAL = 5_000
"""Files of other names of which the first bytes are read."""
SETS = (".npz", ".tar", *LISTS)
HUB_WEIGHTS = re.compile("|".join(WEIGHTS))
BASE_NAMES = ("zeroshot", "pretrained", "base", "basemodel", "openai", "original")
"""What the base's file is called, letters only."""
ENCODERS = (Kind.CLIP, Kind.ENCODER, Kind.CLASSIFIER, Kind.ADAPTER)
FILLERS = re.compile(
    r"fine|tuned|finetuned?|nonlinear|linear|checkpoints?|ckpt|models?|weights|heads?|experts?|images?|data|datasets?|lists?|labels?|shards?|metadata|index"
    r"|open|openclip|pytorch|adapters?|lora|clip|vit|base|large|huge|patch\d+|[blh]|14|16|32|336|final|best|last"
)
"""Words in file names that say nothing about the task."""


@dataclass(frozen=True)
class FoundCheckpoint:
    """A file or folder of weights."""

    path: Path
    verdict: Verdict | None
    """None where it can't be read."""
    problem: str = ""
    """One line that says why it can't be used; empty for a usable one."""
    inside: str | None = None
    """Which model it is of the several in its file; see `core.checkpoints.open_checkpoint`."""

    @property
    def prefix(self) -> str | None:
        """What a suite file says beside `weights` to choose it."""
        return None if self.inside is None else self.inside or "."

    @property
    def kind(self) -> str:
        """What it can be used for; `unusable` where that is nothing."""
        return self.verdict.kind if self.verdict and not self.problem else "unusable"


@dataclass
class Scan:
    """Everything found below one folder, sorted by path."""

    root: Path
    checkpoints: list[FoundCheckpoint] = field(default_factory=list)
    images: list[FoundImages] = field(default_factory=list)
    configurations: list[Path] = field(default_factory=list)
    """JSON files that describe an open_clip model, for architectures that have no name."""
    cut: str = ""
    """Says where the search ended early; empty where everything was looked at."""


def scan(root: Path, progress: Progress = SILENT) -> Scan:
    """Look below `root`, or at that one file, without following links out of it and without reading any weights.

    `progress` hears of each folder and file and may raise to stop. Raises `BadInput` where `root` is neither.
    """
    if not root.exists():
        raise BadInput(f"`{root}` should be a folder. Found none of that name.")
    found = Scan(root if root.is_dir() else root.parent)
    weights = _walk(root, found, progress)
    if len(weights) > MOST_CHECKPOINTS:
        found.cut = f"only the first {MOST_CHECKPOINTS} of {len(weights)} weight files were examined"
    progress.start("Examining checkpoints", min(len(weights), MOST_CHECKPOINTS))
    for path in weights[:MOST_CHECKPOINTS]:
        found.checkpoints += _judge(path)
        progress.advance()
    progress.finish()
    return found


def plain(name: str) -> str:
    """A name in lower case without the ending of a file of weights or of a set of images."""
    name = name.lower()
    return next((name.removesuffix(end) for end in (*ENDINGS, *SETS) if name.endswith(end)), name)


def _walk(root: Path, found: Scan, progress: Progress) -> list[Path]:
    weights: list[Path] = []
    left = MOST_UNUSUAL
    levels = _folders(root) if root.is_dir() else [(root.parent, list[str](), [root.name])]
    root = found.root
    for visited, (folder, folders, files) in enumerate(levels):
        progress.advance(0)
        if visited >= MOST_FOLDERS:
            found.cut = f"only the first {MOST_FOLDERS} folders were searched"
            break
        here = [name for name in files if name.lower().endswith(ENDINGS)]
        unusual = [name for name in files if not name.lower().endswith((*ENDINGS, *OTHERS))]
        here += [name for name in unusual[:left] if inside(folder / name, root) and starts_like_weights(folder / name)]
        if len(unusual) > left:
            found.cut = f"only the first {MOST_UNUSUAL:,} files with unusual names were looked into"
        left = max(0, left - len(unusual))
        if any(name in files for name in CONFIGURATION) and any(map(HUB_WEIGHTS.fullmatch, here)):
            weights.append(folder)
            folders[:] = [name for name in folders if (folder / name / ADAPTER).is_file()]
            continue
        if is_one(folders, files):
            weights.append(folder)
            folders.clear()
            continue
        weights += [folder / name for name in here if inside(folder / name, root)]
        found.configurations += [folder / name for name in files if _is_configuration(folder / name)]
        images, whole = image_sets(folder, folders, files, root)
        found.images += images
        if whole:
            folders.clear()
    return sorted(weights)


def _is_configuration(path: Path) -> bool:
    if path.suffix != ".json" or path.is_symlink() or path.stat().st_size > MOST_CONFIGURATION:
        return False
    try:
        data = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(data, dict) and {"embed_dim", "vision_cfg", "text_cfg"} <= set(data)


def _folders(root: Path) -> Iterator[tuple[Path, list[str], list[str]]]:
    """`os.walk` in a fixed order, without links, hidden folders and too great depths."""
    for name, folders, files in os.walk(root, followlinks=False):
        folder = Path(name)
        folders[:] = sorted(f for f in folders if not f.startswith(".") and not (folder / f).is_symlink())
        if len(folder.relative_to(root).parts) >= DEEPEST:
            folders.clear()
        yield folder, folders, sorted(file for file in files if not file.startswith("."))


def _judge(path: Path, inside: str | None = None) -> list[FoundCheckpoint]:
    """What a file is; one for each of the models that it holds."""
    try:
        verdict = identify(path, inside, digest=False)
    except SeveralModels as several:
        if inside is None:
            return [one for choice in several.choices for one in _judge(path, choice)]
        return [FoundCheckpoint(path, None, str(several), inside)]
    except BadCheckpoint as error:
        return [FoundCheckpoint(path, None, str(error).splitlines()[0], inside)]
    problem = f"`{path.name}` {verdict.obstacle}." if verdict.obstacle else ""
    if verdict.kind == Kind.UNKNOWN and not problem:
        problem = "No image encoder was recognised in its tensor names."
    return [FoundCheckpoint(path, verdict, problem, inside)]


@dataclass(frozen=True)
class Suggested:
    """One task: what of the found files its name points to."""

    name: str
    expert: FoundCheckpoint | None = None
    head: FoundCheckpoint | None = None
    images: FoundImages | None = None


@dataclass(frozen=True)
class Suggestion:
    """A suite that the names of files point to; a person confirms or changes it."""

    base: FoundCheckpoint | None
    tasks: tuple[Suggested, ...]


def suggest(found: Scan) -> Suggestion:
    """Put together what has the same name; experts are the encoders that are not the base.

    Of several models in one file it is the first.
    """
    encoders = [one for one in found.checkpoints if one.kind in ENCODERS]
    base = _base(encoders)
    first = {one.path: one for one in reversed(encoders) if base is None or one.path != base.path}
    experts = _named((one for one in encoders if first.get(one.path) is one), found.root)
    heads = _named((one for one in found.checkpoints if one.kind == Kind.HEAD), found.root)
    images = {key(one.path, found.root): one for one in found.images}
    tasks = [Suggested(name, expert, heads.get(name), images.get(name)) for name, expert in experts.items()]
    return Suggestion(base, tuple(tasks))


def key(path: Path, root: Path) -> str:
    """The task that a path's own name, or else that of a folder above it, speaks of: lower-case words joined by `-`."""
    for part in reversed(path.relative_to(root).parts):
        words = re.findall(r"[a-z0-9]+", plain(part))
        if told := [word for word in words if not FILLERS.fullmatch(word)]:
            return "-".join(told)[:64]
    return re.sub(r"[^a-z0-9]+", "-", plain(path.name)).strip("-")[:64] or "task"


def _base(encoders: list[FoundCheckpoint]) -> FoundCheckpoint | None:
    """The one whose name says so; else the only one with a text tower, or the only classifier without a head."""
    letters = {one.path: re.sub(r"[^a-z]+", "", plain(one.path.name)) for one in encoders}
    named = [one for one in encoders if one.kind != Kind.ADAPTER and letters[one.path] in BASE_NAMES]
    if named:
        return min(named, key=lambda one: (one.kind != Kind.CLIP, len(str(one.path))))
    whole = [one for one in encoders if one.kind == Kind.CLIP] or [one for one in encoders if _headless(one)]
    return whole[0] if len(whole) == 1 and len(encoders) > 1 else None


def _headless(one: FoundCheckpoint) -> bool:
    """Whether it is an image classifier of a library without its head: what others were trained from."""
    names = [row.name for row in one.verdict.tensors] if one.verdict and one.kind == Kind.CLASSIFIER else []
    return bool(names) and not any(map(TRAINED.fullmatch, names))


def _named(found: Iterable[FoundCheckpoint], root: Path) -> dict[str, FoundCheckpoint]:
    """By task; where two have the same, the second gets a number."""
    named: dict[str, FoundCheckpoint] = {}
    for one in found:
        name = key(one.path, root)
        taken = sum(other == name or re.fullmatch(rf"{re.escape(name)}-\d+", other) is not None for other in named)
        named[f"{name}-{taken + 1}" if taken else name] = one
    return named
