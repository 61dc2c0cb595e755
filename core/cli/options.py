"""Options that several commands share, so that they mean and say the same everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from core.errors import BadInput

SuiteName = Annotated[
    str, typer.Argument(metavar="SUITE", help="Name of a suite (see `suites`), or path to a suite file.")
]
Tasks = Annotated[str | None, typer.Option("--tasks", metavar="a,b", help="Only these tasks, separated by commas.")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="A setting of the method (see `methods`); repeatable."),
]
Seed = Annotated[str | None, typer.Option("--seed", metavar="N", help="Seed for all random choices.")]
Device = Annotated[str, typer.Option("--device", metavar="NAME", help="auto, cpu, cuda or cuda:N.")]
Precision = Annotated[str, typer.Option("--precision", metavar="NAME", help="auto (measured), float32 or bfloat16.")]
Memory = Annotated[
    str,
    typer.Option(
        "--memory",
        metavar="NAME",
        help="How task vectors are held: float32, bfloat16, int8, int4 (rounded: a half, a quarter, an eighth of the "
        "memory), mapped (exact, in a temporary file, so memory does not grow with the number of experts) or auto.",
    ),
]
On = Annotated[
    str | None,
    typer.Option(
        "--on",
        metavar="WHERE",
        help="ray: several runs at a time, one per device of this machine; ray://HOST:PORT: on the machines of a "
        "Ray cluster. By default here, one after the other.",
    ),
]
Processes = Annotated[
    int | None,
    typer.Option(
        "--processes",
        metavar="N",
        help="Share task vectors and images out over so many processes, one for each GPU. By default 1, or as many as "
        "a launcher such as torchrun has started.",
    ),
]
Metrics = Annotated[
    list[str] | None,
    typer.Option(
        "--metric",
        metavar="FILE.py:NAME",
        help="A metric of your own: a function of two NumPy arrays, logits [N, classes] and labels [N], that returns a "
        "number; repeatable.",
    ),
]
Runs = Annotated[
    Path | None, typer.Option("--runs", metavar="DIR", help="Folder for runs; by default in MERGESCOPE_HOME.")
]
Prefix = Annotated[
    str | None,
    typer.Option(
        "--prefix",
        metavar="NAMES",
        help="Which of several models in one file: what the names of its tensors begin with, such as teacher.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]


def names(text: str | None, option: str) -> list[str] | None:
    """`a,b` -> `["a", "b"]`; None stays None. Raises `BadInput` for empty or repeated names."""
    if text is None:
        return None
    found = [part.strip() for part in text.split(",")]
    if not all(found) or len(set(found)) < len(found):
        raise BadInput(
            f"`{option}` should be different names separated by commas. Found `{option} {text}`. "
            "Remove empty and repeated names."
        )
    return found


def assignments(items: list[str] | None, seed: str | None = None) -> dict[str, str]:
    """`["steps=5"]` and `--seed` -> `{"steps": "5", "seed": …}`. Raises `BadInput` for anything else."""
    values: dict[str, str] = {}
    for item in items or []:
        key, sign, value = item.partition("=")
        if not sign or not key.strip():
            raise BadInput(f"`--set` should look like `--set steps=500`. Found `--set {item}`.")
        if key.strip() in values:
            raise BadInput(f"`--set` should give each setting once. Found `{key.strip()}` twice; remove one.")
        values[key.strip()] = value.strip()
    if seed is not None:
        if "seed" in values:
            raise BadInput("The seed should be given once. Found `--seed` and `--set seed=`; remove one.")
        values["seed"] = seed
    return values
