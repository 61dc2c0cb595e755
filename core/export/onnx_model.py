"""The merged model as ONNX: normalised images in, the logits of every task out."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from core.encoders.building import build_visual
from core.encoders.family import family
from core.encoders.linear import logits
from core.encoders.models import Architecture
from core.errors import BadInput
from core.export.card import CLASSIFICATION, ZERO_SHOT, Loading

FILE = "model.onnx"
IMAGES = "images"
OPSET = 18
"""The lowest that PyTorch's exporter writes without converting: read by onnxruntime 1.18 and later."""


class _Answering(nn.Module):
    """The encoder and the heads of all tasks."""

    def __init__(self, arch: Architecture, visual: nn.Module, heads: Sequence[Tensor]) -> None:
        super().__init__()
        self._visual, self._family, self._zero_shot = visual, family(arch), arch.zero_shot
        self._heads = nn.ParameterList(nn.Parameter(head, requires_grad=False) for head in heads)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Normalised float32 `[N, 3, H, W]` -> `[N, classes]` for each task."""
        features = self._family.features(self._visual(images))
        if self._zero_shot:
            features = nn.functional.normalize(features, dim=-1)
        return tuple(logits(features, head) for head in self._heads)


def write_onnx(
    tensors: Mapping[str, Tensor],
    arch: Architecture,
    heads: Mapping[str, Tensor],
    classes: Mapping[str, Sequence[str]],
    folder: Path,
    metadata: Mapping[str, str],
) -> Loading:
    """Write encoder and heads into `folder`; weights above 2 GB lie in a file beside the model, as ONNX has it.

    Needs what `core.export.forms.missing` looks for. Raises `BadInput` for an architecture that can't be written.
    """
    visual = build_visual(arch)
    visual.load_state_dict({name: tensor.float() for name, tensor in tensors.items()})
    model = _Answering(arch, visual, [head.float() for head in heads.values()]).eval()
    names, (height, width) = list(heads), arch.input_size
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # The exporter's own, about PyTorch's parts.
            program = torch.onnx.export(
                model, (torch.zeros(2, 3, height, width),), dynamo=True, verbose=False, opset_version=OPSET,
                input_names=[IMAGES], output_names=names,
                dynamic_shapes={IMAGES: {0: torch.export.Dim("batch")}},
            )  # fmt: skip
    except torch.onnx.errors.OnnxExporterError as error:
        reason = str(error).partition("\n")[0]
        raise BadInput(f"`{arch.name}` can't be written as ONNX: {reason}. Export it in another format.") from None
    assert program is not None  # Of what is not saved at once.
    own = {"classes": json.dumps({task: list(classes[task]) for task in names}, ensure_ascii=False)}
    program.model.metadata_props.update({**metadata, **own})
    program.save(folder / FILE)
    mean, std = (", ".join(f"{value:g}" for value in values) for values in (arch.mean, arch.std))
    text = (
        f"`{FILE}` takes float32 images `[N, 3, {height}, {width}]`, scaled to 0–1 and normalised with mean "
        f"({mean}) and standard deviation ({std}), and gives the logits of {', '.join(f'`{task}`' for task in names)}; "
        "its metadata has their class names.\n\n"
        f'```python\nimport onnxruntime\n\nsession = onnxruntime.InferenceSession("{FILE}")\n'
        f'[logits] = session.run(["{names[0]}"], {{"{IMAGES}": images}})\n```'
    )
    return Loading("onnx", text, ZERO_SHOT if arch.zero_shot else CLASSIFICATION)
