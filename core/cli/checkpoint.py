"""`inspect`: what a checkpoint file holds, without loading its tensors or executing anything in it."""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import Annotated, Any

import typer

from core.cli import options
from core.cli.output import print_json, print_table


def inspect(
    checkpoint: Annotated[Path, typer.Argument(metavar="CHECKPOINT", help="A .safetensors file.")],
    as_json: options.Json = False,
) -> None:
    """List the tensors and metadata of CHECKPOINT."""
    from core.checkpoints import describe
    from core.files import sha256

    header = describe(checkpoint)
    tensors: list[dict[str, Any]] = [
        {"name": name, "shape": list(tensor.shape), "dtype": tensor.dtype} for name, tensor in header.tensors.items()
    ]
    facts = {
        "path": str(checkpoint),
        "format": "safetensors",
        "bytes": checkpoint.stat().st_size,
        "sha256": sha256(checkpoint),
        "parameters": sum(prod(tensor.shape) for tensor in header.tensors.values()),
        "metadata": header.metadata,
    }
    if as_json:
        print_json(facts | {"tensors": tensors})
        return
    rows = [[item["name"], " x ".join(map(str, item["shape"])) or "scalar", item["dtype"]] for item in tensors]
    print_table(checkpoint.name, ["tensor", ">shape", "type"], rows)
    print(f"{facts['parameters']:,} numbers in {len(tensors)} tensors, {facts['bytes']:,} bytes")
    print(f"SHA-256 {facts['sha256']}")
    for key, value in header.metadata.items():
        print(f"{key}: {value}")
