"""What leaves the workspace as files that work offline; they appear complete or not at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

from core.errors import BadInput
from core.files import write_text
from core.store import Store
from dashboard.static_export.replay import collect, figures, page
from dashboard.static_export.space import space

KINDS: dict[str, Callable[..., str | dict[str, str]]] = {"page": page, "figures": figures, "space": space}
KEPT = (".git", ".gitattributes")
"""What may lie in a folder beside an earlier export."""


def export(
    kind: Literal["page", "figures", "space"],
    store: Store,
    run_id: str,
    path: Path,
    titles: Mapping[str, str] | None = None,
    tick: Callable[[], None] = lambda: None,
) -> Path:
    """Write one HTML file, or for a Space a folder of files; returns `path`. `titles`: task -> name for people.

    Raises `UnknownName` for an unknown run, `BadInput` for one without a step, and for a folder that holds other files,
    so that nothing of somebody's is overwritten.
    """
    record, known = store.run(run_id), titles or {}
    made = KINDS[kind](record, collect(store, record, known, tick), known)
    if isinstance(made, str):
        write_text(path, made)
        return path
    path.mkdir(parents=True, exist_ok=True)
    if others := sorted(file.name for file in path.iterdir() if file.name not in (*made, *KEPT)):
        raise BadInput(f"`{path}` should be empty or an earlier export. Found `{others[0]}`. Choose another folder.")
    for name, text in made.items():
        write_text(path / name, text)
    return path
