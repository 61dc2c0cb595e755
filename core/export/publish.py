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

from core.checkpoints import load_checkpoint
from core.errors import BadInput, MergescopeError
from core.export.card import model_card
from core.export.coefficients import export_coefficients
from core.export.transformers_model import write_model
from core.export.weights import metadata
from core.files import refusals, replacing
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


def write_folder(record: RunRecord, steps: Iterable[StepRecord], merged: Path, suite: SuiteFile, folder: Path) -> str:
    """Write all that the hub shows of a run to a new `folder`; returns the class of `transformers` that loads it.

    `merged` is the run's merged model under open_clip's names; `steps` may be the last one alone. The folder appears
    complete or not at all. Raises `BadInput` where it is there already or the architecture has no counterpart.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BadInput(f"`{folder}` should be a new or empty folder. Found files in it; choose another name.")
    arch = suite.arch()
    titles = {task.name: task.title or task.name for task in suite.tasks}
    with refusals(f"Writing {folder}"):
        folder.parent.mkdir(parents=True, exist_ok=True)
    with replacing(folder) as temporary:
        temporary.mkdir()
        kind = write_model(load_checkpoint(merged).tensors, arch, temporary, metadata(record))
        if record.groups:
            last = export_coefficients(record, steps, temporary / TABLE)
            draw_coefficients(last, record.groups, record.tasks, temporary / PICTURE)
        if record.report is not None:
            (temporary / REPORT).write_text(json.dumps(record.report, indent=1, allow_nan=False), "utf-8")
        card = model_card(record, titles, name=record.name, hugging_face=kind, picture=PICTURE if record.groups else "")
        (temporary / "README.md").write_text(card, "utf-8")
    return kind


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
