"""A run as a folder for the Hugging Face hub: merged model, card, λ as table and picture; and sending it there."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError, OfflineModeIsEnabled
from PIL import Image, ImageDraw, ImageFont

from core.errors import BadInput, MergescopeError
from core.export import forms
from core.export.card import Loading, model_card
from core.export.coefficients import export_coefficients
from core.export.forms import FILES, Format
from core.files import refusals, replacing, write_atomically
from core.hub.listing import is_repository
from core.store import RunRecord, StepRecord
from core.suite.find import SuiteFile

PICTURE, TABLE, REPORT = "coefficients.png", "coefficients.csv", "report.json"
BLUE, ORANGE, PAPER, INK = (31, 90, 166), (203, 92, 18), (255, 255, 255), (34, 34, 34)
CELL, LEFT, TOP, EDGE = 22, 300, 110, 12
MAX_ROWS = 400
"""More groups than that (one a tensor, of large encoders) get lower rows, without names."""


class CannotSend(MergescopeError):
    """The hub could not be reached or refused the upload; the folder on this machine is complete."""


def write_folder(
    record: RunRecord, steps: Iterable[StepRecord], merged: Path, suite: SuiteFile, folder: Path, form: Format
) -> Loading:
    """Write all that the hub shows of a run to a new `folder`; returns how its model is loaded.

    `merged` is the run's stored model; `steps` may be the last one alone. The folder appears complete or not at all.
    Raises `BadInput` where it is there already or the architecture can't be written in this format.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BadInput(f"`{folder}` should be a new or empty folder. Found files in it; choose another name.")
    titles = {task.name: task.title or task.name for task in suite.tasks}
    with refusals(f"Writing {folder}"):
        folder.parent.mkdir(parents=True, exist_ok=True)
    with replacing(folder) as temporary:
        temporary.mkdir()
        loading = forms.write(form, merged, record, suite, temporary)
        if record.groups:
            last = export_coefficients(record, steps, temporary / TABLE)
            draw_coefficients(last, record.groups, record.tasks, temporary / PICTURE)
        if record.report is not None:
            (temporary / REPORT).write_text(json.dumps(record.report, indent=1, allow_nan=False), "utf-8")
        card = model_card(record, titles, name=record.name, loading=loading, picture=PICTURE if record.groups else "")
        (temporary / "README.md").write_text(card, "utf-8")
    return loading


def write_file(record: RunRecord, merged: Path, suite: SuiteFile, path: Path, form: Format) -> None:
    """Write the model of such a folder alone; raises `BadInput` as that does, and where one file can't hold it."""

    def make(temporary: Path) -> None:
        folder = temporary.with_name("folder")
        folder.mkdir()
        forms.write(form, merged, record, suite, folder)
        file = folder / FILES[form]
        if others := [other.name for other in folder.glob(f"{file.name}.*")]:
            raise BadInput(f"`{path}` should be a folder: the weights are too large for one file. Found {others[0]}.")
        file.replace(temporary)

    write_atomically(path, make)


def check_repository(repo: str) -> None:
    """Raise `BadInput` unless `repo` is owner/name as the hub has them."""
    if not is_repository(repo):
        raise BadInput(f"A repository of the hub should be named owner/name. Found `{repo[:80]}`.")


def push_to_hub(
    folder: Path, repo: str, *, private: bool = True, token: str | None = None, endpoint: str | None = None
) -> str:
    """Create the model repository `repo` (owner/name) where needed and send the folder; returns the commit's address.

    The token is the one that `hf auth login` stored, or `HF_TOKEN`. Raises `BadInput` for a malformed name
    and `CannotSend`, with the hub's own reason, for everything that goes wrong on the way.
    """
    check_repository(repo)
    api = HfApi(endpoint=endpoint, token=token)
    try:
        api.create_repo(repo, private=private, exist_ok=True)
        sent = api.upload_folder(repo_id=repo, folder_path=folder, commit_message="Merged model")
    except (HfHubHTTPError, LocalTokenNotFoundError, OfflineModeIsEnabled, OSError) as error:
        reason = " ".join(str(error).split())[:200]
        raise CannotSend(
            f"`{repo}` could not be uploaded: {reason}. `{folder}` is complete; upload it later."
        ) from None
    return str(sent.commit_url)


def draw_coefficients(values: npt.NDArray[np.float32], groups: Sequence[str], tasks: Sequence[str], path: Path) -> None:
    """Write a PNG of λ `[groups, tasks]`: white is 0, blue positive, orange negative, full colour the largest |λ|."""
    height = CELL if len(groups) <= MAX_ROWS else max(1, CELL * MAX_ROWS // len(groups))
    width = max(CELL, min(60, 640 // len(tasks)))
    size = (LEFT + width * len(tasks) + EDGE, TOP + height * len(groups) + EDGE)
    picture = Image.new("RGB", size, PAPER)
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default(13)
    largest = float(np.abs(values).max()) or 1.0
    pen.text((EDGE, EDGE), f"lambda; full colour is {largest:.2f}", INK, font)
    for row, name in enumerate(groups if height == CELL else ()):
        pen.text((EDGE, TOP + row * height + 3), name[:44], INK, font)
    shares, full = np.abs(values)[..., None] / largest, np.where(values[..., None] >= 0, BLUE, ORANGE)
    cells = Image.fromarray(np.round(np.array(PAPER) + (full - np.array(PAPER)) * shares).astype(np.uint8))
    picture.paste(cells.resize((width * len(tasks), height * len(groups)), Image.Resampling.NEAREST), (LEFT, TOP))
    for column, name in enumerate(tasks):
        _upright(picture, name[:16], LEFT + column * width + width // 2, font)
    picture.save(path, "PNG", optimize=True)


def _upright(picture: Image.Image, name: str, centre: int, font: ImageFont.ImageFont | ImageFont.FreeTypeFont) -> None:
    label = Image.new("RGB", (TOP - EDGE - 6, 18), PAPER)
    ImageDraw.Draw(label).text((0, 1), name, INK, font)
    picture.paste(label.rotate(90, expand=True), (centre - 9, EDGE))
