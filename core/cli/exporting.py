"""Where and how a command writes a merged model: one file, or a folder that a library loads."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from core.cli import targets
from core.cli.running import copy_model
from core.errors import BadInput
from core.export.forms import FILES, Format, fitting

if TYPE_CHECKING:
    from core.store import RunRecord, Store
    from core.suite.find import SuiteFile

Form = Annotated[
    Format | None,
    typer.Option(
        "--format",
        help="native: as the base came, which is the default (open_clip weights; a folder for timm, torchvision or "
        "transformers with the heads of all tasks); hf: CLIP for transformers; onnx: encoder and heads.",
    ),
]


@dataclass(frozen=True)
class Target:
    """A checked place for a merged model."""

    form: Format
    path: Path
    suite: SuiteFile | None
    """None where it can't be found any more; what is stored can be copied all the same."""
    folder: bool

    def write(self, store: Store, run_id: str, model: Path) -> str:
        """Write a run's model, which is stored in the file `model`, there; returns what to tell."""
        from core.export import publish
        from core.export.coefficients import each_step

        if self.suite is None or self.form is Format.OPEN_CLIP:
            copy_model(model, self.path)
            return f"Wrote {self.path}"
        record = store.run(run_id)
        if self.folder:
            loading = publish.write_folder(record, each_step(store, run_id), model, self.suite, self.path, self.form)
            return f"Wrote {self.path}; load it with {loading.by}."
        publish.write_file(record, model, self.suite, self.path, self.form)
        return f"Wrote {self.path}" + (f", with the head of {record.tasks[0]}" if self.form is Format.NATIVE else "")


def target(
    form: Format | None, out: Path | None, suite: SuiteFile | None, *, name: str = "", push: str | None = None
) -> Target:
    """Where `out` is: a folder, or the file alone where its name ends like one; by default called `name`.

    Raises `BadInput` before any work, also where what is there can't be sent to the repository `push`.
    """
    if suite is None and form not in (None, Format.OPEN_CLIP):
        raise BadInput(f"`--format {form}` needs the suite of the run, which can't be found. Restore its file.")
    chosen = Format.OPEN_CLIP if suite is None else fitting(form, suite.arch())
    suffix = Path(FILES.get(chosen, "")).suffix
    whole = chosen is not Format.OPEN_CLIP
    path = out or Path(name if whole else name + suffix)
    folder = whole and (not suffix or path.suffix != suffix)
    if folder:
        targets.check_folder(path, "--out")
    else:
        targets.check(path, "--out", suffix)
    if push is not None:
        from core.export.publish import check_repository

        if not folder:
            raise BadInput(f"`--push` sends a folder. Found `{path}`; add `--format hf`, or name a folder as `--out`.")
        check_repository(push)
    return Target(chosen, path, suite, folder)


def suite_of(record: RunRecord) -> SuiteFile | None:
    """The suite of a run; None where it can't be found any more."""
    from core.suite import find as suites

    try:
        return suites.find(record.origin)
    except BadInput:
        return None
