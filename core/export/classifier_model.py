"""The merged classifiers as a folder that their own library loads: one model, and the head of each task beside it."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from core.encoders.building import build_classifier, outline
from core.encoders.family import family
from core.encoders.models import Architecture
from core.errors import BadInput
from core.export.card import Loading
from core.export.transformers_model import write_json

HEADS = "heads"
PREPROCESSING = "preprocessor_config.json"


def write_classifier(
    tensors: Mapping[str, Tensor],
    arch: Architecture,
    heads: Mapping[str, Tensor],
    classes: Mapping[str, Sequence[str]],
    folder: Path,
    metadata: Mapping[str, str],
    preprocessing: Path | None = None,
) -> Loading:
    """Write the encoder's `tensors`, with the head of the first task as the model's own, into `folder`.

    `heads` are task -> `[classes, width]`, or with a bias as last column; `classes` are their names. `preprocessing` is
    the base's own description of how images are prepared, where it is still what the suite says. Raises `BadInput` for
    a head with a bias where the library has none.
    """
    own, head, first = family(arch), outline(arch).head, next(iter(heads))
    model = build_classifier(arch, len(classes[first]))
    known = model.state_dict()
    (folder / HEADS).mkdir()
    for task, values in heads.items():
        layer = _layer(head, values, outline(arch).width, head in dict(model.named_modules()), known)
        save_file(layer, folder / HEADS / f"{task}.safetensors", dict(metadata))
        write_json(folder / HEADS / f"{task}.json", own.configuration(arch, model, classes[task]))
        if task == first:
            write_json(folder / "config.json", own.configuration(arch, model, classes[task]))
            given = {**tensors, **{name: tensor for name, tensor in layer.items() if name in known}}
            model.load_state_dict({name: tensor.to(known[name].dtype) for name, tensor in given.items()}, assign=True)
    stored = {name: tensor.contiguous() for name, tensor in own.stored(model).items()}
    save_file(stored, folder / "model.safetensors", {**metadata, "format": "pt"})
    if preprocessing is not None:
        shutil.copyfile(preprocessing, folder / PREPROCESSING)
    elif described := own.preprocessing(arch):
        write_json(folder / PREPROCESSING, described)
    others = ", ".join(f"`{task}`" for task in heads)
    text = (
        f"These lines, run in this folder, load the model of the task `{first}`; each of {others} has its head in "
        f"`{HEADS}`.\n\n```python\n{own.loading(arch, model, head, first)}\n```"
    )
    return Loading(own.name, text)


def _layer(head: str, values: Tensor, width: int, inside: bool, known: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weight and bias under the library's names; a bias of 0 where the library has one and the head has not."""
    weight, bias = values[:, :width], values[:, width:].flatten()
    if inside and f"{head}.bias" not in known:
        if bias.any():
            raise BadInput(
                f"The layer `{head}` has no bias in this architecture, but a head has one. Export with `--format onnx`."
            )
        return {f"{head}.weight": weight.contiguous()}
    bias = bias if len(bias) else torch.zeros(len(values))
    return {f"{head}.weight": weight.contiguous(), f"{head}.bias": bias.contiguous()}
