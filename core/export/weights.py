"""Writes the merged model for other programs; a previous file stays till then."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor

from core.checkpoints import load_checkpoint
from core.encoders.models import VISUAL
from core.errors import BadCheckpoint, BadInput
from core.export.report import version
from core.files import write_atomically
from core.problem.problem import Problem
from core.step import Outcome
from core.store.records import RunRecord


def metadata(record: RunRecord) -> dict[str, str]:
    """What a merged checkpoint says about its origin, in the safetensors header."""
    changed = {} if record.what_if is None else {"what_if": json.dumps(record.what_if.plain(), ensure_ascii=False)}
    return changed | {
        "format": "pt",
        "mergescope": version(),
        "run": record.id,
        "suite": record.suite,
        "method": record.method,
        "seed": str(record.seed),
        "tasks": json.dumps(list(record.tasks)),
        "settings": json.dumps(record.settings, sort_keys=True),
        "hashes": json.dumps(record.hashes, sort_keys=True),
        **({} if record.kept is None else {"kept_step": str(record.kept)}),
    }


def export_model(
    problem: Problem,
    outcome: Outcome,
    path: Path,
    metadata: Mapping[str, str],
    base: Path | None = None,
    inside: str | None = None,
) -> None:
    """Write the merged model to `path` as safetensors with open_clip names, float32.

    With `base`, the checkpoint file that the suite's base was read from (as its model `inside`), everything beside the
    image encoder of CLIP (text tower, logit scale) comes from there, and plain open_clip loads the result; without it,
    and of a classifier, the file holds the image encoder alone. Raises `BadInput` where the result is not one static
    encoder, `BadCheckpoint` where `base` has changed, `CannotWrite` where the disk refuses.
    """
    if path.suffix != ".safetensors":
        raise BadInput(f"The merged model is written as a .safetensors file. Found `{path.name}`.")
    if outcome.form.obstacle:
        raise BadInput(f"This run can't be exported as one checkpoint: {outcome.form.obstacle}.")
    tensors: dict[str, Tensor] = {}
    if base is not None and problem.encoder.arch.zero_shot:
        found = load_checkpoint(base, skip=VISUAL, inside=inside)
        if problem.hashes.get("base", found.sha256) != found.sha256:
            raise BadCheckpoint(
                f"`{base.name}` should be the base of this run, but its bytes have changed. Restore it."
            )
        tensors = dict(found.tensors)
    with torch.no_grad():
        for name, tensor in outcome.weights_for(problem.tasks[0]).items():
            tensors[VISUAL + name] = tensor.detach().to("cpu").contiguous()
    write_atomically(path, lambda file: safetensors.torch.save_file(tensors, file, dict(metadata)))
