"""What the page "Set up" knows: methods as forms, presets, cards, wishes, forecasts, starting."""

from __future__ import annotations

import base64
import io
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from core import methods
from core.errors import BadInput, UnknownName
from core.insight.trust import RISE
from core.suite import find as suites
from dashboard.library import Library
from dashboard.pages.setup import catalogue, gallery, wish
from dashboard.pages.setup.catalogue import presets
from dashboard.pages.setup.caution import doubts
from dashboard.pages.setup.forecast import told
from dashboard.settings_file import from_yaml, to_yaml
from tests.dashboard.conftest import Site
from tests.tiny import make_suite


@pytest.fixture(scope="module")
def library(tiny_suite: Path) -> Library:
    return Library(device="cpu", precision="float32", extra=(str(tiny_suite),))


def ready(ask: Callable[[], dict[str, Any]], seconds: float = 60) -> dict[str, Any]:
    """Ask until the answer is no longer pending."""
    deadline = time.monotonic() + seconds
    while (answer := ask()).get("pending"):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return answer


@pytest.mark.parametrize("name", methods.names())
def test_every_method_is_described_in_words_with_every_setting(name: str) -> None:
    described = catalogue.describe(methods.get(name))
    assert all(described[part] for part in ("title", "summary", "paper", "cost", "needs", "family"))
    assert [field["name"] for field in described["fields"]] == list(methods.get(name).Settings.model_fields)
    for field in described["fields"]:
        assert field["help"], field["name"]
        assert field["source"], field["name"]
        assert field["kind"] != "choice" or field["default"] in [choice["value"] for choice in field["choices"]]


def test_limits_and_choices_come_from_the_settings() -> None:
    fields = {field["name"]: field for field in catalogue.describe(methods.get("adamerging"))["fields"]}
    assert (fields["steps"]["kind"], fields["steps"]["min"]) == ("int", 1)
    assert (fields["lr"]["kind"], fields["lr"]["above"], fields["lr"]["max"]) == ("float", 0, 10)
    assert [choice["value"] for choice in fields["group"]["choices"]] == ["task", "block", "tensor"]
    assert "expert_kl" in [choice["value"] for choice in fields["objective"]["choices"]]
    assert fields["clamp"]["kind"] == "bool"


@pytest.mark.parametrize("name", methods.names())
def test_every_preset_is_valid_and_complete(name: str) -> None:
    method = methods.get(name)
    for preset in presets(method, {"steps": 30} if "steps" in method.Settings.model_fields else {}):
        assert set(preset["settings"]) == set(method.Settings.model_fields)
        method.Settings(**preset["settings"])


def test_the_suites_own_settings_come_first_and_fast_is_never_slower() -> None:
    found = {
        preset["name"]: preset["settings"] for preset in presets(methods.get("adamerging"), {"steps": 30, "lr": 0.5})
    }
    assert list(found) == ["suite", "paper", "fast", "few"]
    assert (found["suite"]["steps"], found["suite"]["lr"]) == (30, 0.5)
    assert (found["paper"]["steps"], found["paper"]["lr"]) == (500, 1e-3)
    assert found["fast"]["steps"] == 30
    assert found["few"]["fraction"] == 0.1
    assert [preset["name"] for preset in presets(methods.get("average"), {})] == ["paper"]


def test_only_the_paper_settings_keep_the_last_step_and_they_are_never_the_first_choice() -> None:
    for own in ({}, {"lr": 0.5}):
        found = {one["name"]: one["settings"]["keep_step"] for one in presets(methods.get("adamerging"), own)}
        assert found.pop("paper") == "last"
        assert next(iter(found)) in ("usual", "suite")
        assert set(found.values()) == {"best"}
    assert presets(methods.get("adamerging"), {})[0]["settings"] == methods.get("adamerging").Settings().model_dump()


def test_a_card_shows_counts_classes_and_different_images(tiny_suite: Path) -> None:
    cards = gallery.cards(suites.find(str(tiny_suite)))
    assert [card["name"] for card in cards] == ["task0", "task1", "task2"]
    assert cards[0]["images"] == {"train": 24, "held-out": 24, "test": 32}
    assert cards[0]["class_count"] == 4
    prefix, _, data = cards[0]["strip"].partition(",")
    assert prefix == "data:image/png;base64"
    picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))
    assert picture.shape == (gallery.SIDE, gallery.SHOWN * gallery.SIDE, 3)
    tiles = np.split(picture, gallery.SHOWN, axis=1)
    assert all((tiles[0] != tile).any() for tile in tiles[1:])


def test_a_card_says_when_its_images_cannot_be_read(tmp_path: Path) -> None:
    suite = make_suite(tmp_path)
    (tmp_path / "task1.npz").write_bytes(b"no archive")
    cards = gallery.cards(suites.find(str(suite)))
    assert not cards[0]["problem"]
    assert "can't be read" in cards[1]["problem"]
    assert cards[1]["strip"] == ""


@pytest.mark.slow
def test_a_wish_survives_yaml(library: Library) -> None:
    asked = wish.read({"suite": "tiny", "tasks": ["task2", "task0"], "method": "adamerging", "settings": {"steps": 7},
                       "device": "cpu", "evaluate_every": 3, "name": "λ"}, library)  # fmt: skip
    again = wish.read(from_yaml(to_yaml(asked.plain())), library)
    assert again.spec == asked.spec
    assert asked.tasks == ("task0", "task2")
    assert again.spec.settings.model_dump()["steps"] == 7


@pytest.mark.slow
def test_all_tasks_are_asked_for_where_none_are_named(library: Library, tiny_suite: Path) -> None:
    asked = wish.read({"suite": "tiny", "method": "average"}, library)
    assert asked.spec.tasks == asked.suite.experts
    assert asked.spec.origin == str(tiny_suite)


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ([], "mapping"), ({"suite": 3}, "suite"), ({"suite": "nope"}, "nope"), ({"suite": "../tiny"}, "suite"),
        ({"suite": "tiny", "method": "nope"}, "method"), ({"suite": "tiny", "colour": 1}, "colour"),
        ({"suite": "tiny", "tasks": "task0"}, "tasks"), ({"suite": "tiny", "tasks": []}, "at least one task"),
        ({"suite": "tiny", "tasks": ["task9"]}, "task9"), ({"suite": "tiny", "tasks": [{}]}, "tasks"),
        ({"suite": "tiny", "settings": []}, "settings"), ({"suite": "tiny", "settings": {"steps": -3}}, "steps"),
        ({"suite": "tiny", "settings": {"nope": 1}}, "nope"), ({"suite": "tiny", "settings": {"lr": "nan"}}, "lr"),
        ({"suite": "tiny", "device": "abacus"}, "device"), ({"suite": "tiny", "precision": ["x"]}, "precision"),
        ({"suite": "tiny", "evaluate_every": -1}, "evaluate_every"),
        ({"suite": "tiny", "evaluate_every": True}, "evaluate_every"),
        ({"suite": "tiny", "name": "a\nb"}, "name"), ({"suite": "tiny", "name": "x" * 101}, "name"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named(library: Library, values: Any, named: str) -> None:
    with pytest.raises(BadInput, match=named):
        wish.read(values, library)


@pytest.mark.parametrize(
    "text",
    ["", "{", "- 1", "!!python/object/apply:os.system ['true']", "a: &a [x]\nb: *a", "x" * 70_000, "[" * 1000, None, 3],
)
def test_bad_settings_files_are_refused(library: Library, text: Any) -> None:
    with pytest.raises(BadInput):
        wish.read(from_yaml(text), library)


def test_a_settings_file_names_the_line_of_a_mistake() -> None:
    with pytest.raises(BadInput, match="line 3"):
        from_yaml("suite: tiny\nmethod: average\n  tasks: [\n")


def test_a_forecast_adds_steps_and_evaluation() -> None:
    found = told(step=0.5, steps=100, along=20, final=10, source="measured on this machine")
    assert found["seconds"] == 80
    assert "80 s" in found["text"]
    assert "0.5 s" in found["text"]


@pytest.mark.slow
def test_a_step_too_quick_to_be_worth_a_number_gets_none() -> None:
    assert "10 quick steps and" in told(step=0.0, steps=10, along=0, final=10, source="an earlier run")["text"]


def test_the_plan_forecasts_and_checks_trust(dashboard_site: Site) -> None:
    owner = dashboard_site.owner()
    asked = {"suite": "tiny", "method": "adamerging", "settings": {"steps": 40}, "evaluate_every": 10}
    ready(lambda: owner.call("setup_plan", **asked)["caution"])
    plan = owner.call("setup_plan", **asked)
    assert plan["forecast"]["seconds"] > 0
    assert {task["task"] for task in plan["caution"]["tasks"]} == {"task0", "task1", "task2"}
    for task in plan["caution"]["tasks"]:
        assert task["trusted"] == (task["end"]["kl"] - task["start"]["kl"] <= RISE)
        assert bool(task["advice"]) != task["trusted"]
    assert plan["caution"]["distil"]
    assert plan["needs"] == "unlabelled images"


@pytest.mark.slow
def test_the_plan_names_what_is_wrong_and_nothing_is_queued(dashboard_site: Site) -> None:
    owner = dashboard_site.owner()
    before = len(dashboard_site.ctx.store.runs())
    plan = owner.call("setup_plan", suite="tiny", method="adamerging", settings={"steps": 0})
    assert "`steps`" in plan["wrong"]
    assert "`steps`" in owner.call("setup_start", suite="tiny", method="adamerging", settings={"steps": 0})["error"]
    assert len(dashboard_site.ctx.store.runs()) == before


def test_a_cluster_can_be_chosen_where_ray_is_installed(dashboard_site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    owner, before = dashboard_site.owner(), len(dashboard_site.ctx.store.runs())
    monkeypatch.setattr("core.cluster.connection.find_spec", lambda _name: object())
    assert owner.call("setup_catalogue")["alone"] == ""
    asked = {"suite": "tiny", "method": "average", "on": "ray://host:10001"}
    assert yaml.safe_load(owner.call("setup_save", **asked)["yaml"])["on"] == asked["on"]
    assert "ray://HOST:PORT" in owner.call("setup_plan", **asked | {"on": "ray://"})["wrong"]
    assert "ray://HOST:PORT" in owner.call("setup_start", **asked | {"on": "host"})["error"]
    monkeypatch.setattr("core.cluster.connection.find_spec", lambda _name: None)
    assert "pip install" in owner.call("setup_catalogue")["alone"]
    assert "pip install" in owner.call("setup_start", **asked)["error"]
    assert len(dashboard_site.ctx.store.runs()) == before


@pytest.mark.slow
def test_the_trust_check_speaks_for_every_method_that_learns(dashboard_site: Site) -> None:
    owner = dashboard_site.owner()
    assert owner.call("setup_plan", suite="tiny", method="average")["caution"] is None
    asked = {"suite": "tiny", "method": "best", "settings": {"steps": 3}}
    found = ready(lambda: owner.call("setup_plan", **asked)["caution"])
    assert len(found["tasks"]) == 3
    assert not found["distil"]  # It follows the experts as it is.
    report = dashboard_site.finish(owner.call("setup_start", **asked)["run"]).report or {}
    assert report["check"]["warnings"] == [task["advice"] for task in found["tasks"] if task["advice"]]


def test_the_plan_tells_what_is_doubtful_about_the_chosen_tasks(tmp_path: Path) -> None:
    suite = make_suite(tmp_path, name="doubtful")
    suite.write_text(suite.read_text().replace("- green", "- RED", 1))  # Of task0 alone.
    library = Library(device="cpu", precision="float32", extra=(str(suite),))

    def found(*tasks: str) -> list[tuple[str, str]]:
        asked = wish.read({"suite": "doubtful", "tasks": list(tasks), "method": "average"}, library)
        return [(one["code"], one["subject"]) for one in ready(lambda: doubts(asked, library))["found"]]

    assert found("task0", "task1") == [("equal_class_names", "task0")]
    assert found("task1", "task2") == []


@pytest.mark.slow
def test_a_double_click_starts_one_run(dashboard_site: Site) -> None:
    owner = dashboard_site.owner()
    asked = {"suite": "tiny", "method": "task_arithmetic", "settings": {"scale": 0.21}}
    first, second = (owner.call("setup_start", **asked)["run"] for _ in range(2))
    assert first == second
    assert dashboard_site.finish(first).status == "done"


def test_a_started_run_stores_what_was_asked(dashboard_site: Site, short_run: str) -> None:
    record = dashboard_site.ctx.store.run(short_run)
    assert (record.method, record.name, record.settings["steps"]) == ("adamerging", "short", 4)
    assert record.tasks == ("task0", "task1", "task2")


def test_saved_settings_load_again_as_the_page_needs_them(dashboard_site: Site) -> None:
    owner = dashboard_site.owner()
    saved = owner.call("setup_save", suite="tiny", method="ties", settings={"keep": 0.4}, tasks=["task1", "task2"])
    assert yaml.safe_load(saved["yaml"])["settings"]["keep"] == 0.4
    loaded = owner.call("setup_load", yaml=saved["yaml"])
    assert (loaded["method"], loaded["tasks"], loaded["settings"]["keep"]) == ("ties", ["task1", "task2"], 0.4)
    assert "error" in owner.call("setup_load", yaml="suite: nope")
    assert "error" in owner.call("setup_load", yaml=3)


@pytest.mark.slow
def test_accuracies_of_base_and_experts_become_known(dashboard_site: Site) -> None:
    owner = dashboard_site.owner()
    answer = ready(lambda: owner.call("setup_accuracies", suite="tiny"))
    assert set(answer["accuracies"]) == {"task0", "task1", "task2"}
    assert all(0 <= known["expert"] <= 1 for known in answer["accuracies"].values())


@pytest.mark.slow
def test_a_broken_suite_file_is_left_out_and_named(tiny_suite: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.yaml"
    broken.write_text("name: [")
    library = Library(extra=(str(tiny_suite), str(broken)))
    assert "tiny" in library.suites()
    assert "broken" in library.broken
    with pytest.raises(UnknownName):
        library.suite("broken")
