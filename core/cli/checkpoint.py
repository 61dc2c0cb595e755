"""`inspect`: what a checkpoint is and holds, without loading its tensors or executing anything in it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from core.cli import options
from core.cli.output import print_json, print_table, tell

if TYPE_CHECKING:
    from core.checkpoints import Verdict

SHOWN = 6
"""Architectures named in a line."""


def inspect(
    checkpoint: Annotated[
        Path, typer.Argument(metavar="CHECKPOINT", help="A file of any format, or a folder as on the Hugging Face hub.")
    ],
    prefix: options.Prefix = None,
    as_json: options.Json = False,
) -> None:
    """Say what CHECKPOINT is: format, architecture, tensors, SHA-256, warnings."""
    from core.checkpoints import identify

    verdict = identify(checkpoint, prefix)
    if as_json:
        print_json(verdict.as_json())
        return
    rows = [[row.name, " x ".join(map(str, row.shape)) or "scalar", row.dtype] for row in verdict.tensors]
    print_table(checkpoint.name, ["tensor", ">shape", "type"], rows)
    print_table("", ["what", "found"], _facts(verdict))
    for warning in verdict.warnings:
        tell(f"Note: {warning}.")


def _facts(verdict: Verdict) -> list[list[str]]:
    more = f", and {len(verdict.architectures) - SHOWN} more" if len(verdict.architectures) > SHOWN else ""
    activation = {True: "QuickGELU", False: "GELU", None: "not stated"}[verdict.quick_gelu]
    types = ", ".join(f"{count} {dtype}" for dtype, count in verdict.dtypes.items())
    return [
        ["format", verdict.format],
        ["layout", verdict.layout],
        ["use", verdict.kind],
        ["fits", ", ".join(verdict.architectures[:SHOWN]) + more or "no open_clip model"],
        ["activation", activation],
        ["tensors", f"{len(verdict.tensors)} ({types})"],
        ["parameters", f"{verdict.parameters:,}"],
        ["bytes", f"{verdict.bytes:,}"],
        ["SHA-256", verdict.sha256],
        *([key, value] for key, value in verdict.metadata.items()),
    ]
