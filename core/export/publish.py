"""A run as a folder for the Hugging Face hub: merged model, card, λ as table and picture; and sending it there."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError, OfflineModeIsEnabled

from core.checkpoints import load_checkpoint
from core.errors import BadInput, MergescopeError
from core.export.card import model_card
from core.export.coefficients import export_coefficients
from core.export.picture import draw_coefficients
from core.export.transformers_model import write_model
from core.export.weights import metadata
from core.files import refusals, replacing
from core.hub.reference import is_repository
from core.store import RunRecord, StepRecord
from core.suite.find import SuiteFile

PICTURE, TABLE, REPORT = "coefficients.png", "coefficients.csv", "report.json"


class CannotSend(MergescopeError):
    """The hub could not be reached or refused the upload; the folder on this machine is complete."""


def write_folder(record: RunRecord, steps: Iterable[StepRecord], merged: Path, suite: SuiteFile, folder: Path) -> str:
    """Write all that the hub shows of a run to a new `folder`; returns the class of `transformers` that loads it.

    `merged` is the run's merged model under open_clip's names; `steps` may be the last one alone. The folder appears
    complete or not at all. Raises `BadInput` where it is there already or the architecture has no counterpart.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BadInput(f"`{folder}` should be a new or empty folder. Found something in it; choose another name.")
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
        raise CannotSend(f"`{repo}` could not be sent: {reason}. `{folder}` is complete; send it later.") from None
    return str(sent.commit_url)
