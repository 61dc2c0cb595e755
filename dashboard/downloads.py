"""What can be taken away from a run: one entry per file, offered by the page Share and sent by one route."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import orjson

from core.encoders.models import OPEN_CLIP
from core.errors import BadInput, MergescopeError, UnknownName
from core.export.card import loading_of, model_card
from core.export.coefficients import each_step, export_coefficients
from core.export.forms import Format, fitting, missing
from core.export.transformers_model import obstacles
from core.runs.model import MERGED, file_of
from core.runs.spec import RunSpec
from core.store import RunRecord, StepRecord, Store
from core.suite import find as suites
from core.suite.find import SuiteFile
from dashboard.context import Context
from dashboard.settings_file import as_settings, to_yaml
from dashboard.static_export.export import export

Kind = Literal["page", "figures", "space"]
Tick = Callable[[], None]
Write = Callable[[Context, RunRecord, Path, Tick], Path]
Offered = Callable[[Store, RunRecord], bool]


@dataclass(frozen=True)
class Download:
    """One file that a run can give."""

    kind: str
    title: str
    help: str
    suffix: str
    write: Write
    """Writes the file to a path with that suffix and returns it, or where it lies already; looks in on the way."""
    offered: Offered
    owner_only: bool = False
    lacking: Callable[[], str] = str
    """What has to be installed first, in a sentence; empty where nothing has to be."""


def offered(store: Store, record: RunRecord, *, owner: bool) -> list[Download]:
    """What this run can give to this person, in the order of the page."""
    return [item for item in _ALL if (owner or not item.owner_only) and item.offered(store, record)]


def find(kind: str, store: Store, record: RunRecord, *, owner: bool) -> Download:
    """One of them; raises `UnknownName`."""
    known = {item.kind: item for item in offered(store, record, owner=owner)}
    if kind not in known:
        raise UnknownName("download", kind[:40], sorted(known))
    return known[kind]


def file_name(record: RunRecord, item: Download) -> str:
    """A file name that says what is in it; made of the run's own plain names."""
    made = record.method if record.what_if is None else f"{record.method}_edited"
    parts = ["mergescope", record.suite, made, record.id, item.kind.removesuffix(item.suffix.lstrip("."))]
    return (
        "-".join("".join(c for c in part if c.isalnum() or c in "_.") for part in parts if part).rstrip("-")
        + item.suffix
    )


def _has_report(store: Store, record: RunRecord) -> bool:
    return record.status == "done"


def _has_steps(store: Store, record: RunRecord) -> bool:
    return record.steps_done > 0 or record.status == "done"


def _has_lambda(store: Store, record: RunRecord) -> bool:
    return bool(record.groups) and bool(store.steps(record.id, limit=1, coefficients=False))


def _has_model(store: Store, record: RunRecord) -> bool:
    return MERGED in store.artefacts(record.id)


def _fits(library: str, store: Store, record: RunRecord) -> bool:
    """Whether a run has a model that this library can compute."""
    if not _has_model(store, record):
        return False
    try:
        arch = suites.find(record.origin).arch()
        return not obstacles(arch) if library == "transformers" and arch.zero_shot else arch.family == library
    except MergescopeError:
        return library == OPEN_CLIP


def _fits_onnx(store: Store, record: RunRecord) -> bool:
    return _has_model(store, record) and _suite(record) is not None


def _report(ctx: Context, record: RunRecord, path: Path, tick: Tick) -> Path:
    report = ctx.store.run(record.id).report
    tick()
    path.write_bytes(orjson.dumps(report, option=orjson.OPT_INDENT_2))
    return path


def _has_settings(store: Store, record: RunRecord) -> bool:
    # They would make its method's run, not the λ that a person changed.
    return record.what_if is None


def _settings(ctx: Context, record: RunRecord, path: Path, tick: Tick) -> Path:
    path.write_text(to_yaml(as_settings(RunSpec.stored(record))), "utf-8")
    return path


def _last_lambda(ctx: Context, record: RunRecord, path: Path, tick: Tick) -> Path:
    export_coefficients(record, ctx.store.steps(record.id, since=record.model_step - 1, limit=1), path)
    return path


def _all_lambda(ctx: Context, record: RunRecord, path: Path, tick: Tick) -> Path:
    export_coefficients(record, _steps(ctx, record, tick), path)
    return path


def _steps(ctx: Context, record: RunRecord, tick: Tick) -> Iterator[StepRecord]:
    for step in each_step(ctx.store, record.id):
        tick()
        yield step


def _card(ctx: Context, record: RunRecord, path: Path, tick: Tick) -> Path:
    suite = _suite(record)
    loading = loading_of(None if suite is None else suite.arch())
    path.write_text(model_card(ctx.store.run(record.id), titles(record), loading=loading, name=record.name), "utf-8")
    return path


def _exported(kind: Kind, ctx: Context, record: RunRecord, path: Path, tick: Tick) -> Path:
    return export(kind, ctx.store, record.id, path, titles(record), tick)


def _space(ctx: Context, record: RunRecord, path: Path, tick: Tick) -> Path:
    return _pack(_exported("space", ctx, record, path.with_suffix(""), tick), path, tick)


def _folder(form: Format | None, ctx: Context, record: RunRecord, path: Path, tick: Tick) -> Path:
    from core.export.publish import write_folder

    folder, steps, suite = path.with_suffix(""), _steps(ctx, record, tick), suites.find(record.origin)
    write_folder(record, steps, _model(ctx, record, path, tick), suite, folder, fitting(form, suite.arch()))
    return _pack(folder, path, tick)


def _model(ctx: Context, record: RunRecord, path: Path, tick: Tick) -> Path:
    return file_of(ctx.store, record, lambda: ctx.problem_of(record))


def _pack(folder: Path, path: Path, tick: Tick) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(file for file in folder.rglob("*") if file.is_file()):
            # Weights hardly get smaller, and trying takes minutes where they are large.
            how = zipfile.ZIP_STORED if file.suffix == ".safetensors" else zipfile.ZIP_DEFLATED
            archive.write(file, file.relative_to(folder), how)
            tick()
    shutil.rmtree(folder)
    return path


def _suite(record: RunRecord) -> SuiteFile | None:
    """The run's suite; None where it can't be found any more."""
    try:
        return suites.find(record.origin)
    except BadInput:
        return None


def titles(record: RunRecord) -> dict[str, str]:
    """Names of a run's tasks for people, as its files have them."""
    suite = _suite(record)
    return {task.name: task.title or task.name for task in suite.tasks} if suite is not None else {}


_ALL = (
    Download(
        "page",
        "Page in one file",
        "The charts with the step slider; works without a server.",
        ".html",
        partial(_exported, "page"),
        _has_steps,
    ),
    Download("report", "Report", "Accuracies with intervals, entropy, λ, settings.", ".json", _report, _has_report),
    Download("settings", "Settings", "Can be loaded again on the page Set up.", ".yaml", _settings, _has_settings),
    Download("lambda-json", "λ, JSON", "The coefficients after the last step.", ".json", _last_lambda, _has_lambda),
    Download("lambda-csv", "λ, CSV", "After every step, one row per group.", ".csv", _all_lambda, _has_lambda),
    Download(
        "lambda-array", "λ, safetensors", "After every step, as one array.", ".safetensors", _all_lambda, _has_lambda
    ),
    Download("card", "Model card", "What was merged, how, and how well it works.", ".md", _card, _has_report),
    Download(
        "figures",
        "Figures",
        "Every chart for use in a paper; each can be saved as SVG or PNG.",
        ".html",
        partial(_exported, "figures"),
        _has_steps,
    ),
    Download(
        "space",
        "Hugging Face Space",
        "A folder that replays the run; unpack it in a Space.",
        ".zip",
        _space,
        _has_steps,
    ),
    Download(
        "model",
        "Merged model",
        "Weights with open_clip names, ready to load.",
        ".safetensors",
        _model,
        partial(_fits, OPEN_CLIP),
        True,
    ),
    Download(
        "transformers",
        "For transformers",
        "Folder with weights, configuration, preprocessing, tokenizer or heads, card and λ.",
        ".zip",
        partial(_folder, Format.HF),
        partial(_fits, "transformers"),
        True,
    ),
    *(
        Download(
            library,
            f"For {library}",
            "Folder with weights, configuration, the heads of all tasks, card and λ.",
            ".zip",
            partial(_folder, Format.NATIVE),
            partial(_fits, library),
            True,
        )
        for library in ("timm", "torchvision")
    ),
    Download(
        "onnx",
        "ONNX",
        "Folder with encoder and heads in one model for onnxruntime, card and λ.",
        ".zip",
        partial(_folder, Format.ONNX),
        _fits_onnx,
        True,
        missing,
    ),
)
