"""What was found in a folder, as plain values for the page."""

from __future__ import annotations

from pathlib import Path

from typing_extensions import TypedDict

from core.suite.image_sets import FoundImages
from core.suite.scan import FoundCheckpoint, Scan, Suggestion

ARCHITECTURES_SHOWN = 8


class Checkpoint(TypedDict):
    """A file with weights, or why it has none that can be read."""

    path: str
    """Its own among all that were found: of several models in one file, the file and the model."""
    weights: str
    prefix: str
    """What the suite file says of it; `prefix` is empty for the only model of a file."""
    name: str
    kind: str
    problem: str
    format: str
    architectures: list[str]
    labels: list[str]
    bytes: int
    warnings: list[str]


class Images(TypedDict):
    """A set of images; `numbered` where the suite file names the classes."""

    path: str
    name: str
    kind: str
    classes: list[str]
    numbered: bool


class Configuration(TypedDict):
    """A file with an architecture."""

    path: str
    name: str


class Task(TypedDict):
    """What seems to belong to one task; paths are empty where nothing does."""

    name: str
    expert: str
    head: str
    images: str


class Suggested(TypedDict):
    """A suite that the files could make."""

    base: str
    tasks: list[Task]


class Looked(TypedDict):
    """What lies in a folder; paths as the suite file takes them. `cut` says why not all of it was looked at."""

    root: str
    cut: str
    checkpoints: list[Checkpoint]
    images: list[Images]
    configurations: list[Configuration]
    suggested: Suggested


def scan(found: Scan, suggestion: Suggestion, root: Path) -> Looked:
    """Checkpoints, images, and how they seem to belong together; names start from `root`."""
    return {
        "root": str(found.root),
        "cut": found.cut,
        "checkpoints": [_checkpoint(one, root) for one in found.checkpoints],
        "images": images(found, root),
        "configurations": [{"path": str(one), "name": _relative(one, root)} for one in found.configurations],
        "suggested": {
            "base": _path(suggestion.base),
            "tasks": [
                {
                    "name": task.name,
                    "expert": _path(task.expert),
                    "head": _path(task.head),
                    "images": _path(task.images),
                }
                for task in suggestion.tasks
            ],
        },
    }


def images(found: Scan, root: Path) -> list[Images]:
    """The sets of images alone."""
    return [_images(one, root) for one in found.images]


def _checkpoint(one: FoundCheckpoint, root: Path) -> Checkpoint:
    verdict = one.verdict
    count = len(verdict.tensors) if verdict else 0
    return {
        "path": _path(one),
        "weights": str(one.path),
        "prefix": one.prefix or "",
        "name": _relative(one.path, root) + (f" › {one.prefix} ({count} tensors)" if one.prefix else ""),
        "kind": one.kind,
        "problem": one.problem,
        "format": verdict.format if verdict else "",
        "architectures": list(verdict.architectures[:ARCHITECTURES_SHOWN]) if verdict else [],
        "labels": list(verdict.labels) if verdict else [],
        "bytes": verdict.bytes if verdict else 0,
        "warnings": list(verdict.warnings) if verdict else [],
    }


def _images(one: FoundImages, root: Path) -> Images:
    return {
        "path": str(one.path),
        "name": _relative(one.path, root),
        "kind": one.kind,
        "classes": list(one.classes),
        "numbered": one.numbered,
    }


def _relative(path: Path, root: Path) -> str:
    return str(path.relative_to(root)) if path != root else path.name


def _path(one: FoundCheckpoint | FoundImages | None) -> str:
    prefix = one.prefix if isinstance(one, FoundCheckpoint) else None
    return "" if one is None else f"{one.path} › {prefix}" if prefix else str(one.path)
