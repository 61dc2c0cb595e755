"""`inspect`, `scan` and `folders`: what a checkpoint or a folder holds, and the folders whose files suites may open."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from core.cli import options
from core.cli.output import print_json, print_table, shown, tell

if TYPE_CHECKING:
    from core.checkpoints import Verdict

app = typer.Typer(help="Folders whose checkpoints and images every suite may open.", no_args_is_help=True)
Folder = Annotated[str, typer.Argument(metavar="FOLDER", help="A folder on this machine.")]
SHOWN = 6
"""Architectures named in a line."""


def scan(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder with checkpoints and images.")],
    as_json: options.Json = False,
) -> None:
    """Say what FOLDER holds that a suite can be made of: checkpoints, heads and sets of images."""
    from core.suite import scan as scanning

    with shown() as progress:
        found = scanning.scan(folder, progress)
    checkpoints: list[dict[str, Any]] = [
        {
            "path": str(one.path),
            "use": one.kind,
            "architectures": list(one.verdict.architectures) if one.verdict else [],
            "problem": one.problem,
        }
        for one in found.checkpoints
    ]
    images: list[dict[str, Any]] = [
        {"path": str(one.path), "kind": one.kind, "classes": list(one.classes)} for one in found.images
    ]
    if as_json:
        print_json({"folder": str(folder), "checkpoints": checkpoints, "images": images, "cut": found.cut})
        return
    print_table(
        f"Checkpoints in {folder}",
        ["file", "use", "fits, or what is wrong"],
        [[row["path"], row["use"], row["problem"] or ", ".join(row["architectures"][:3])] for row in checkpoints],
    )
    print_table(
        "Images", ["path", "kind", ">classes"], [[row["path"], row["kind"], str(len(row["classes"]))] for row in images]
    )
    if found.cut:
        tell(f"Note: {found.cut}.")


@app.command("list")
def list_folders(as_json: options.Json = False) -> None:
    """List the folders."""
    from core.suite.roots import roots

    known = [str(folder) for folder in roots()]
    if as_json:
        print_json({"folders": known})
    else:
        tell("\n".join(known) or "None yet; a suite opens only files in its own folder. Add one with `folders add`.")


@app.command("add")
def add(folder: Folder) -> None:
    """Let every suite open files below FOLDER."""
    from core.suite.roots import add_root

    tell(f"Added {add_root(folder)}.")


@app.command("remove")
def remove(folder: Folder) -> None:
    """Take FOLDER off the list; its files stay."""
    from core.suite.roots import remove_root

    remove_root(folder)
    tell(f"Removed {folder}.")


def inspect(
    checkpoint: Annotated[
        Path, typer.Argument(metavar="CHECKPOINT", help="A file of any format, or a folder as on the Hugging Face hub.")
    ],
    as_json: options.Json = False,
) -> None:
    """Say what CHECKPOINT is: format, architecture, tensors, SHA-256, warnings."""
    from core.checkpoints import identify

    verdict = identify(checkpoint)
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
    activation = {True: "QuickGELU", False: "GELU", None: "not said"}[verdict.quick_gelu]
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
