"""The page with a suite of image classifiers: what Share offers, and the Playground."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import onnxruntime
import pytest
import timm

from core.export import forms
from core.runs.jobs import Jobs
from core.store import Store
from core.studies.engine.background import Background
from dashboard import site
from dashboard.access import Access
from dashboard.context import Context
from dashboard.library import Library
from tests.core.classifier_suites import make_classifiers
from tests.dashboard.conftest import Site
from tests.dashboard.loops import inside_loop
from tests.dashboard.test_playground import answered
from tests.dashboard.test_share import KINDS, files

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def classifiers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site with a suite of timm's."""
    folder = tmp_path_factory.mktemp("site")
    suite = make_classifiers(folder / "suite", "timm")
    library = Library(device="cpu", precision="float32", extra=(str(suite),))
    with Store.open(folder / "runs") as store:
        jobs = Jobs(store, load=library.load)
        studies = Background(store, jobs, library.load)
        ctx = Context(store, jobs, False, Access(folder / "runs"), library, suite="classifiers", studies=studies)
        yield Site(inside_loop(lambda: site.build(ctx)), ctx)
        jobs.worker.close()
        library.worker.close()


@pytest.fixture(scope="module")
def run(classifiers: Site) -> str:
    """A run that learns λ."""
    settings = {"steps": 2, "batch": 4}
    started = classifiers.owner().call("setup_start", suite="classifiers", method="adamerging", settings=settings)
    assert classifiers.finish(started["run"]).status == "done"
    return str(started["run"])


def test_share_offers_what_its_library_and_onnxruntime_load(classifiers: Site, run: str, tmp_path: Path) -> None:
    http, offered = classifiers.owner().http, files(classifiers, run)
    assert set(offered) == KINDS | {"timm", "onnx"}
    for kind in ("timm", "onnx"):
        with zipfile.ZipFile(io.BytesIO(http.get(offered[kind]).content)) as archive:
            archive.extractall(tmp_path / kind)
    assert timm.create_model(f"local-dir:{tmp_path / 'timm'}", pretrained=True).num_classes == 4
    session = onnxruntime.InferenceSession(tmp_path / "onnx" / "model.onnx")
    assert [output.name for output in session.get_outputs()] == ["a", "b"]
    assert "folder for timm" in http.get(offered["card"]).text


def test_share_says_what_to_install(classifiers: Site, run: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forms, "find_spec", lambda name: None)
    told = {file["title"]: file for file in classifiers.owner().call("share_offer", run=run)["files"]}["ONNX"]
    assert "pip install" in told["help"]
    assert told["url"] == ""


def test_the_playground_answers_with_the_trained_heads(classifiers: Site, run: str) -> None:
    owner = classifiers.owner()
    record = classifiers.ctx.store.run(run)
    found = answered(owner, "confusion", run=run, task="b")
    assert found["correct"] / found["images"] == record.report["tasks"][1]["accuracy"]
    said = answered(owner, "classify", run=run, task="b", index=0)
    assert {head: len(said["said"][head]["merged"]) for head in said["said"]} == {"a": 4, "b": 3}


def test_the_playground_reads_merged_files_with_the_names_of_their_library(classifiers: Site) -> None:
    owner = classifiers.owner()
    started = owner.call("setup_start", suite="demo-heads", method="average", settings={})
    record = classifiers.finish(started["run"])
    found = answered(owner, "confusion", run=record.id, task="digits")
    assert found["correct"] / found["images"] == record.report["tasks"][0]["accuracy"]
