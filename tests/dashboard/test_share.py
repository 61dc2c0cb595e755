"""View links, downloads, renaming and deleting, as owner and as viewer."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from pathlib import Path

import pytest
import transformers
import yaml
from safetensors.numpy import load

from core.encoders.family import architecture
from core.suite.find import SuiteFile
from tests.dashboard.conftest import Site

KINDS = {"page", "report", "settings", "lambda-json", "lambda-csv", "lambda-array", "card", "figures", "space"}


@pytest.fixture
def other_run(dashboard_site: Site) -> str:
    """A second run, which no link of these tests covers."""
    return queued(dashboard_site, "private")


def queued(site: Site, name: str) -> str:
    """Id of a run that is in the store and nowhere else."""
    facts = {"suite": "tiny", "method": "average", "settings": {}, "seed": 0, "tasks": ["task0"], "steps": 0}
    return str(site.ctx.store.create(**facts, execution={}, hashes={}, adapted_on="nothing", name=name))


def files(site: Site, run: str) -> dict[str, str]:
    """Kind -> address of everything offered to the owner."""
    return {file["url"].rsplit("/", 1)[1]: file["url"] for file in site.owner().call("share_offer", run=run)["files"]}


@pytest.mark.slow
def test_everything_offered_can_be_downloaded(dashboard_site: Site, short_run: str) -> None:
    offered = files(dashboard_site, short_run)
    assert set(offered) == KINDS | {"model", "transformers", "onnx"}
    http = dashboard_site.owner().http
    for kind, url in offered.items():
        answer = http.get(url)
        assert answer.status_code == 200, kind
        assert answer.headers["content-disposition"].startswith("attachment; filename="), kind
        assert answer.headers["content-type"] == "application/octet-stream"
        assert len(answer.content) > 50, kind


@pytest.mark.slow
def test_the_files_hold_what_they_say(dashboard_site: Site, short_run: str) -> None:
    http, offered = dashboard_site.owner().http, files(dashboard_site, short_run)
    record = dashboard_site.ctx.store.run(short_run)
    report = json.loads(http.get(offered["report"]).content)
    assert report["average_accuracy"] == record.average_accuracy
    assert yaml.safe_load(http.get(offered["settings"]).content)["settings"]["steps"] == 4
    rows = list(csv.reader(io.StringIO(http.get(offered["lambda-csv"]).text)))
    assert rows[0] == ["step", "group", "task0", "task1", "task2"]
    assert len(rows) == 1 + 5 * len(record.groups)
    array = load(http.get(offered["lambda-array"]).content)["coefficients"]
    assert array.shape == (5, len(record.groups), 3)
    assert json.loads(http.get(offered["lambda-json"]).content)["steps"] == [record.model_step]
    assert load(http.get(offered["model"]).content)["visual.conv1.weight"].shape == (32, 3, 8, 8)
    with zipfile.ZipFile(io.BytesIO(http.get(offered["space"]).content)) as archive:
        assert {"README.md", "app.py", "requirements.txt"} <= set(archive.namelist())


@pytest.mark.slow
def test_the_zip_for_transformers_is_loaded_by_it(dashboard_site: Site, short_run: str, tmp_path: Path) -> None:
    http, offered = dashboard_site.owner().http, files(dashboard_site, short_run)
    with zipfile.ZipFile(io.BytesIO(http.get(offered["transformers"]).content)) as archive:
        archive.extractall(tmp_path)
    names = {path.name for path in tmp_path.iterdir()}
    assert {"README.md", "preprocessor_config.json", "tokenizer_config.json", "coefficients.csv"} <= names
    theirs = transformers.CLIPModel.from_pretrained(tmp_path).state_dict()
    ours = load(http.get(offered["model"]).content)["visual.conv1.weight"]
    assert (theirs["vision_model.embeddings.patch_embedding.weight"].numpy() == ours).all()


def test_what_transformers_cannot_compute_is_not_offered_for_it(
    dashboard_site: Site, short_run: str, other_run: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not {"model", "transformers"} & set(files(dashboard_site, other_run))
    monkeypatch.setattr(SuiteFile, "arch", lambda self: architecture("RN50"))
    assert {"model", "transformers"} & set(files(dashboard_site, short_run)) == {"model"}


def test_saved_settings_can_be_loaded_on_the_setup_page(dashboard_site: Site, short_run: str) -> None:
    owner = dashboard_site.owner()
    text = owner.http.get(files(dashboard_site, short_run)["settings"]).text
    assert owner.call("setup_load", yaml=text)["settings"]["steps"] == 4


def test_a_viewer_sees_one_run_and_downloads_all_but_the_model(
    dashboard_site: Site, short_run: str, other_run: str
) -> None:
    viewer = dashboard_site.viewer(short_run)
    assert [run["id"] for run in viewer.call("runs_list")["runs"]] == [short_run]
    offered = viewer.call("share_offer", run=short_run)["files"]
    assert {file["url"].rsplit("/", 1)[1] for file in offered} == KINDS
    for file in offered:
        assert viewer.http.get(file["url"]).status_code == 200
    elsewhere = (f"/view/download/{short_run}/model", f"/view/download/{other_run}/page", f"/download/{short_run}/page")
    for path in elsewhere:
        assert viewer.http.get(path).status_code in (401, 404)


def test_a_foreign_run_and_one_that_does_not_exist_look_the_same(
    dashboard_site: Site, short_run: str, other_run: str
) -> None:
    viewer = dashboard_site.viewer(short_run)
    answers = [viewer.call("share_offer", run=run) for run in (other_run, "0" * 12, "", "../x")]
    assert all(answer == answers[0] for answer in answers)
    assert "not here" in answers[0]["error"]


def test_a_workspace_link_also_shows_later_runs(dashboard_site: Site, short_run: str) -> None:
    viewer = dashboard_site.viewer()
    later = queued(dashboard_site, "later")
    assert {short_run, later} <= {run["id"] for run in viewer.call("runs_list")["runs"]}


@pytest.mark.slow
def test_a_link_made_on_the_page_works_until_it_is_revoked_there(dashboard_site: Site, short_run: str) -> None:
    owner, guest = dashboard_site.owner(), dashboard_site.stranger()
    link = owner.call("share_create", run=short_run, days=1, label="Ada")["link"]
    assert guest.get(link["path"]).status_code == 200
    assert guest.get("/view/config").status_code == 200
    assert link["id"] in [known["id"] for known in owner.call("share_links")["links"]]
    assert owner.call("share_revoke", link=link["id"]) == {"ok": True}
    assert guest.get("/view/config").status_code == 401
    assert guest.get(link["path"]).status_code == 404


def test_a_link_keeps_tab_and_step_but_nothing_else(dashboard_site: Site, short_run: str) -> None:
    link = dashboard_site.ctx.access.create_link(short_run)
    path = dashboard_site.ctx.access.path(link)
    opened = dashboard_site.stranger().get(
        f"{path}?tab=layers&step=3&next=https://evil.example&run=../x", follow_redirects=False
    )
    assert opened.headers["location"] == f"/view/?tab=layers&step=3&run={short_run}"


@pytest.mark.parametrize("days", [0, -1, 3, "7", 1e9, True])
def test_other_durations_are_refused(dashboard_site: Site, days: object) -> None:
    answer = dashboard_site.owner().call("share_create", run="", days=days)
    assert ("error" in answer) == (days is not True)
    if "link" in answer:
        dashboard_site.ctx.access.revoke(answer["link"]["id"])


def test_another_device_signs_in_once(dashboard_site: Site) -> None:
    path = dashboard_site.owner().call("share_device")["path"]
    device, late = dashboard_site.stranger(), dashboard_site.stranger()
    assert device.get(path).status_code == 200
    assert device.get("/config").status_code == 200
    assert late.get(path).status_code == 403


def test_renaming_and_deleting(dashboard_site: Site, other_run: str) -> None:
    owner = dashboard_site.owner()
    payload = '<img src=x onerror="window.__x=1">'
    assert owner.call("share_rename", run=other_run, name=payload) == {"ok": True}
    assert dashboard_site.ctx.store.run(other_run).name == payload
    assert "error" in owner.call("share_rename", run=other_run, name="a\nb")
    assert "still running" in owner.call("share_delete", run=other_run)["error"]
    dashboard_site.ctx.store.set_status(other_run, "cancelled")
    assert owner.call("share_delete", run=other_run) == {"ok": True}
    assert "error" in owner.call("share_delete", run=other_run)


def test_actions_on_runs_are_checked(dashboard_site: Site, short_run: str) -> None:
    owner = dashboard_site.owner()
    for action in ("explode", "shutdown", "__class__", None, ["pause"]):
        assert "`action`" in owner.call("run_action", run=short_run, action=action)["error"]
    assert "error" in owner.call("run_action", run=short_run, action="pause")
    assert "error" in owner.call("run_action", run="0" * 12, action="cancel")
