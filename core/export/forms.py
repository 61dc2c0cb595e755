"""What a merged model can be written as, and which of it fits a suite."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import BadCheckpoint, BadInput

if TYPE_CHECKING:
    from torch import Tensor

    from core.encoders.models import Architecture
    from core.export.card import Loading
    from core.store import RunRecord
    from core.suite.find import SuiteFile


class Format(StrEnum):
    """What a merged model is written as."""

    NATIVE = "native"
    """As the base came: open_clip weights, or a folder for the library of the classifiers, with the heads of all."""
    OPEN_CLIP = "open_clip"
    HF = "hf"
    ONNX = "onnx"


FILES = {
    Format.NATIVE: "model.safetensors",
    Format.OPEN_CLIP: "merged.safetensors",
    Format.ONNX: "model.onnx",
}
"""The file of the model, where it can be had alone."""


def missing() -> str:
    """What ONNX needs installed; empty where everything is there."""
    if find_spec("onnx") and find_spec("onnxscript"):
        return ""
    return "ONNX needs onnx and onnxscript, which are not installed: run `pip install -e '.[onnx]'`."


def fitting(form: Format | None, arch: Architecture) -> Format:
    """The format to write a model of this architecture in, the native one by default; raises `BadInput` if unfit."""
    native = Format.OPEN_CLIP if arch.zero_shot else Format.NATIVE
    if form is Format.ONNX:
        if told := missing():
            raise BadInput(told)
        return form
    if form in (None, Format.NATIVE) or (form is Format.HF and arch.family == "transformers"):
        return native
    if not arch.zero_shot:
        raise BadInput(
            f"`--format {form}` is for CLIP. Found `{arch.name}`; use `--format {native}`, a folder that {arch.family} "
            f"loads, or `--format {Format.ONNX}`."
        )
    return form


def write(form: Format, merged: Path, record: RunRecord, suite: SuiteFile, folder: Path) -> Loading:
    """Write the model in the stored file `merged` of a run into `folder` in any format but open_clip's.

    Raises `BadInput` where it can't be expressed there, `BadCheckpoint` where what its heads come from has changed.
    """
    from core.checkpoints import load_checkpoint
    from core.encoders.models import VISUAL
    from core.export.classifier_model import write_classifier
    from core.export.onnx_model import write_onnx
    from core.export.transformers_model import write_clip
    from core.export.weights import metadata

    arch, origin = suite.arch(), metadata(record)
    if form is Format.HF:
        return write_clip(load_checkpoint(merged).tensors, arch, folder, origin)
    heads = _heads(record, suite, arch)
    tensors = load_checkpoint(merged, VISUAL, arch=arch).tensors
    classes = {task: suite.task(task).classes for task in heads}
    if form is Format.ONNX:
        return write_onnx(tensors, arch, heads, classes, folder, origin)
    return write_classifier(tensors, arch, heads, classes, folder, origin, _own_preprocessing(suite))


def _heads(record: RunRecord, suite: SuiteFile, arch: Architecture) -> Mapping[str, Tensor]:
    from core.problem.heads import TaskHeads, head_hash
    from core.tasks.task import IN_EXPERT

    builder, heads = TaskHeads(suite, arch, record.hashes["base"]), {}
    for name in record.tasks:
        task = suite.task(name)
        if task.head in IN_EXPERT and head_hash(suite, task) != record.hashes[name]:
            raise BadCheckpoint(f"The expert of `{name}` should be the one of this run, whose head it has. Restore it.")
        heads[name] = builder.head(task)
    return heads


def _own_preprocessing(suite: SuiteFile) -> Path | None:
    """The base's `preprocessor_config.json`, unless the suite changes what it says."""
    base = suite.entry.base
    file = suite.resolve(base.weights) / "preprocessor_config.json"
    return file if file.is_file() and not base.preprocess.model_dump(exclude_none=True) else None
