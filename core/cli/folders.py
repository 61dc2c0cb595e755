"""`scan` and `folders`: what is in a folder, and the folders whose files every suite may open."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from core.cli import options
from core.cli.output import print_json, print_table, shown, tell

app = typer.Typer(help="Manage the folders whose checkpoints and images every suite may open.", no_args_is_help=True)
Folder = Annotated[str, typer.Argument(metavar="FOLDER", help="A folder on this machine.")]


def scan(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder with checkpoints and images.")],
    as_json: options.Json = False,
) -> None:
    """List what FOLDER holds to make a suite from: checkpoints, heads and sets of images."""
    from core.suite import scan as scanning

    with shown() as progress:
        found = scanning.scan(folder, progress)
    checkpoints: list[dict[str, Any]] = [
        {
            "path": str(one.path),
            "prefix": one.prefix,
            "tensors": len(one.verdict.tensors) if one.verdict else 0,
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
        ["file", "prefix", ">tensors", "use", "fits, or what is wrong"],
        [
            [
                row["path"],
                row["prefix"] or "",
                str(row["tensors"] or ""),
                row["use"],
                row["problem"] or ", ".join(row["architectures"][:3]),
            ]
            for row in checkpoints
        ],
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
        tell("\n".join(known) or "None yet: a suite opens only files in its own folder. Add one with `folders add`.")


@app.command("add")
def add(folder: Folder) -> None:
    """Let every suite open the files in FOLDER."""
    from core.suite.roots import add_root

    tell(f"Added {add_root(folder)}.")


@app.command("remove")
def remove(folder: Folder) -> None:
    """Remove FOLDER from the list; its files stay."""
    from core.suite.roots import remove_root

    remove_root(folder)
    tell(f"Removed {folder}.")
