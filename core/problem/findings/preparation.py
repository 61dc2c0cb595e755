"""Doubts about an expert whose own folder says that it computes, or takes images, otherwise than the base does."""

from __future__ import annotations

import re

from core.checkpoints import Checkpoint
from core.encoders.family import BY_FOLDER, CONFIGURATION, architecture
from core.encoders.models import INPUT, Architecture
from core.errors import BadInput
from core.problem.findings import Code, Finding, Severity
from core.tasks.task import Task

SAID = "preprocessor_config.json", "pretrained_cfg"
"""Where transformers (a file) and timm (an entry of the configuration) say it."""
DIGITS = 3
COMPUTED = re.compile(r"\w*(?:_act|_eps|num_heads|attention_heads|window_size|patch_size|mean_pooling)")
"""Values of a configuration that change what the same weights answer."""


def found(task: Task, expert: Checkpoint, arch: Architecture) -> list[Finding]:
    """Where an expert's folder says something else than `arch`."""
    return [*_computed(task, expert, arch), *_prepared(task, expert, arch)]


def _computed(task: Task, expert: Checkpoint, arch: Architecture) -> list[Finding]:
    if arch.family != "transformers":
        return []
    base, own = (one.get("vision_config") or one for one in (arch.config, expert.opened.config))
    other = [key for key in base if COMPUTED.fullmatch(key) and key in own and own[key] != base[key]]
    if not other:
        return []
    shown = [", ".join(f"{key} {str(one[key])[:40]}" for key in other[:DIGITS]) for one in (base, own)]
    text = (
        f"The expert of `{task.name}` should be computed as the base is ({shown[0]}). Found {shown[1]} in "
        f"`{expert.path.name}`, so its weights answer something else here than where it was trained."
    )
    remedy = "Give an expert that was fine-tuned from this base."
    return [Finding(Code.OTHER_MODEL, Severity.WARNING, task.name, text, remedy)]


def _prepared(task: Task, expert: Checkpoint, arch: Architecture) -> list[Finding]:
    """How the images that an expert was trained on were prepared."""
    file, entry = SAID
    said = (expert.path / file).is_file() or entry in expert.opened.config
    if arch.family not in BY_FOLDER or not said or not (expert.path / CONFIGURATION).is_file():
        return []
    try:
        own = _input(architecture(arch.family, expert.path / CONFIGURATION))
    except BadInput:  # Its weights may fit all the same, and they alone are used.
        return []
    given = _input(arch)
    other = [name for name in given if own[name] != given[name]]
    if not other:
        return []
    shown = [", ".join(f"{name} {one[name]}" for name in other) for one in (given, own)]
    text = (
        f"The expert of `{task.name}` should take images as the base does ({shown[0]}). Found {shown[1]} in "
        f"`{expert.path.name}`, so it is measured with images that it was not trained on."
    )
    remedy = "Give what all were trained with as `preprocess` of the base, or an expert that was trained with that."
    return [Finding(Code.OTHER_IMAGES, Severity.WARNING, task.name, text, remedy)]


def _input(arch: Architecture) -> dict[str, object]:
    given: dict[str, object] = {name: getattr(arch, name) for name in INPUT}
    given |= {name: tuple(round(one, DIGITS) for one in getattr(arch, name)) for name in ("mean", "std")}
    return given | {"size": arch.input_size, "resized": arch.resized or max(arch.input_size)}
