"""Folders as training frameworks write them: the file with the weights, or how to get one."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

from core.checkpoints.source import opened
from core.errors import BadCheckpoint

PARTS = ".distcp"
LATEST = "latest"
STEP = "global_step"
TAG = re.compile(r"[\w\-]{1,100}")
WHOLE = re.compile(r"mp_rank_\d+_model_states\.pt")
SPLIT = re.compile(r"(?:bf16_)?zero_pp_rank_\d+_mp_rank_\d+_(?:model|optim)_states\.pt")
TO_ONE_FILE = (
    "Run `python zero_to_fp32.py . model.pt` in the folder above, which DeepSpeed has put there, and give that file."
)
ROUNDED = "DeepSpeed keeps the weights in 16 bits here, the exact ones in its shards: `zero_to_fp32.py` writes those"


def is_one(folders: Iterable[str], files: Iterable[str]) -> bool:
    """Whether what a folder holds is one checkpoint of a training framework."""
    steps = any(name.startswith(STEP) for name in folders)
    return any(name.endswith(PARTS) or (name == LATEST and steps) for name in files)


def weights_in(folder: Path) -> tuple[str, bool] | None:
    """The file of weights in such a folder, and whether finer ones lie in shards beside it; None for another folder.

    Raises `BadCheckpoint` where they have to be put together first.
    """
    if any(name.endswith(PARTS) for name in _names(folder)):
        raise parts(folder.name)
    for tag in filter(None, (_latest(folder), ".")):
        names = _names(folder / tag)
        whole, split = ([name for name in names if kind.fullmatch(name)] for kind in (WHOLE, SPLIT))
        if len(whole) == 1:
            return f"{tag}/{whole[0]}", bool(split)
        if whole or split:
            found = f"{len(whole)} files of a model-parallel run" if whole else f"{len(split)} shards of ZeRO"
            raise BadCheckpoint(
                f"`{folder.name}` is a DeepSpeed checkpoint whose weights lie in {found}. {TO_ONE_FILE}"
            )
    return None


def parts(name: str) -> BadCheckpoint:
    """What is said of a distributed checkpoint, or of a file of one."""
    return BadCheckpoint(
        f"`{name}` is a distributed checkpoint of PyTorch, whose tensors lie in parts. Make one file of its folder: "
        "`python -m torch.distributed.checkpoint.format_utils dcp_to_torch FOLDER model.pt`."
    )


def _names(folder: Path) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError as error:
        raise BadCheckpoint(f"`{folder.name}` can't be read: {error.strerror}. Expected a checkpoint folder.") from None


def _latest(folder: Path) -> str:
    """The folder of the newest step, as `latest` names it; empty where nothing does."""
    if not (folder / LATEST).is_file():
        return ""
    with opened(folder / LATEST) as file:
        tag = file.read(200).decode("utf-8", "replace").strip()
    return tag if TAG.fullmatch(tag) and (folder / tag).is_dir() else ""
