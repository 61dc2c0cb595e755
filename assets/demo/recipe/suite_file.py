"""Writes the suite file that the program reads."""

from __future__ import annotations

import json
from pathlib import Path

from .tasks import BY_NAME


def suite_file(path: Path, names: list[str], settings: dict[str, dict[str, float]]) -> None:
    """YAML by hand: every value is a JSON scalar or list, which YAML reads as it is."""
    lines = [
        "name: demo",
        "title: Eight small picture tasks",
        "description: A tiny CLIP with eight experts that run offline on two cores; sources in demo/SOURCES.md",
        "base: {arch: demo/config.json, weights: demo/base.safetensors}",
        "tasks:",
    ]
    for name in names:
        task = BY_NAME[name]
        lines += [
            f"  - name: {name}",
            f"    title: {task.title}",
            f"    expert: {{weights: demo/{name}.safetensors}}",
            f"    data: {{kind: arrays, path: demo/{name}.npz}}",
            f"    classes: {json.dumps(list(task.classes), ensure_ascii=False)}",
            f"    templates: {json.dumps(list(task.templates), ensure_ascii=False)}",
        ]
    lines += ["defaults:"]
    lines += [
        f"  {method}: {{{', '.join(f'{k}: {v}' for k, v in values.items())}}}" for method, values in settings.items()
    ]
    path.write_text("\n".join(lines) + "\n")


def suite_settings(path: Path) -> dict[str, dict[str, float]]:
    """The `defaults` block of the suite file."""
    import yaml

    found: dict[str, dict[str, float]] = yaml.safe_load(path.read_text())["defaults"]
    return found
