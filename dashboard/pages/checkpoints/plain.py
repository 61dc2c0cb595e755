"""What was found in a folder, as plain values for the page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from core.suite.scan import FoundCheckpoint, FoundImages, Scan, Suggestion

ARCHITECTURES_SHOWN = 8


def scan(found: Scan, suggestion: Suggestion) -> dict[str, Any]:
    """Checkpoints, images, and how they seem to belong together; paths as the suite file takes them."""
    return {
        "root": str(found.root),
        "cut": found.cut,
        "checkpoints": [_checkpoint(one, found.root) for one in found.checkpoints],
        "images": images(found),
        "configurations": [{"path": str(one), "name": _relative(one, found.root)} for one in found.configurations],
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


def images(found: Scan) -> list[dict[str, Any]]:
    """The sets of images alone."""
    return [_images(one, found.root) for one in found.images]


def _checkpoint(one: FoundCheckpoint, root: Path) -> dict[str, Any]:
    verdict = one.verdict
    return {
        "path": str(one.path),
        "name": _relative(one.path, root),
        "kind": one.kind,
        "problem": one.problem,
        "format": verdict.format if verdict else "",
        "architectures": list(verdict.architectures[:ARCHITECTURES_SHOWN]) if verdict else [],
        "bytes": verdict.bytes if verdict else 0,
        "warnings": list(verdict.warnings) if verdict else [],
    }


def _images(one: FoundImages, root: Path) -> dict[str, Any]:
    return {
        "path": str(one.path),
        "name": _relative(one.path, root),
        "kind": one.kind,
        "classes": list(one.classes),
    }


def _relative(path: Path, root: Path) -> str:
    return str(path.relative_to(root)) if path != root else path.name


def _path(one: FoundCheckpoint | FoundImages | None) -> str:
    return str(one.path) if one is not None else ""
