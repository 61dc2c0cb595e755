"""Published suites: what they name, and fetching a whole suite from a server laid out like the hub."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import huggingface_hub.constants
import pytest
import yaml
from safetensors.torch import load_file, save_file

from core.encoders.family import architecture
from core.errors import BadSuite, Cancelled, MergescopeError
from core.hub.listing import HubReference
from core.problem.loading import load
from core.progress import Remembered
from core.suite.fetch import fetch_suite
from core.suite.find import available, find
from core.tasks.prompts import prompt_set
from tests.classifiers import LABELS, hugging_face_folder
from tests.core.hub_server import Hub, serve
from tests.core.test_hub_source import parquet
from tests.tiny import CLASSES, CONFIG, make_suite

PUBLISHED = sorted(name for name in available() if name.startswith("clip-vit-"))
MODELS = {"b-32": "clip-vit-base-patch32", "b-16": "clip-vit-base-patch16", "l-14": "clip-vit-large-patch14"}


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_suite_names_models_data_sets_and_texts_that_fit(name: str) -> None:
    suite = find(name)
    size = re.fullmatch(r"clip-vit-(.*)-(\d+)", name)
    assert size is not None
    model = MODELS[size[1]]
    assert len(suite.tasks) == int(size[2])
    assert suite.entry.base.weights == f"hub:openai/{model}"
    assert suite.arch().config["quick_gelu"] is True
    for task in suite.tasks:
        assert task.expert.weights == f"hub:tanganke/{model}_{task.name}"
        HubReference.parse(task.expert.weights)
        assert task.classes == prompt_set(task.name).classes
        assert task.templates == prompt_set(task.name).templates
    assert len(suite.missing()) == 1 + 2 * len(suite.tasks)


@pytest.mark.slow
def test_larger_published_suites_contain_the_smaller_ones() -> None:
    for size in MODELS:
        eight, fourteen, twenty = (find(f"clip-vit-{size}-{count}").entry.tasks for count in (8, 14, 20))
        assert twenty[:14] == fourteen
        assert fourteen[:8] == eight


@pytest.mark.parametrize("size", ["b-32", "l-14"])
def test_the_authors_suites_name_their_files(size: str) -> None:
    suite = find(f"authors-vit-{size}-8")
    folder = suite.entry.base.weights.removesuffix("/zeroshot.pt")
    for task in suite.tasks:
        assert re.fullmatch(rf"{folder}/\w+/finetuned\.pt", task.expert.weights)
        assert re.fullmatch(rf"{folder}/head_\w+\.pt", str(task.head))
    assert architecture(suite.entry.base.arch).config["quick_gelu"] is True


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub with a base, two experts and two data sets; the tests' general ban on hubs is lifted for it."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    source = tmp_path / "source"
    make_suite(source, 2)
    with serve(tmp_path / "hub") as running:
        for name in ("base", "task0", "task1"):
            folder = running.root / "owner" / name
            folder.mkdir(parents=True)
            (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": CONFIG}))
            save_file(load_file(source / f"{name}.safetensors"), folder / "open_clip_model.safetensors")
        for name in ("task0", "task1"):
            folder = running.root / "datasets/owner" / name / "default/test"
            folder.mkdir(parents=True)
            parquet(folder / "0000.parquet", labels=[0, 1, 2, 3] * 4, names=None)
            (folder.parent / "train").mkdir()
            (folder.parent / "train/0000.parquet").write_bytes(b"large and not needed")
        yield running


@pytest.fixture
def suite(hub: Hub, tmp_path: Path) -> Path:
    """A suite whose files are all on the hub but for the model's configuration."""
    path = tmp_path / "source/hub.yaml"
    tasks = [
        {
            "name": name,
            "expert": {"weights": f"hub:owner/{name}"},
            "data": {
                "kind": "hub",
                "dataset": f"owner/{name}",
                "revision": "refs/convert/parquet",
                "splits": {"test": "test"},
            },
            "classes": list(CLASSES),
            "templates": ["a {}"],
        }
        for name in ("task0", "task1")
    ]
    base = {"arch": "config.json", "weights": "hub:owner/base"}
    path.write_text(yaml.safe_dump({"name": "hub", "base": base, "tasks": tasks}))
    return path


@pytest.mark.slow
def test_a_suite_is_fetched_once_and_then_merges_without_a_connection(
    suite: Path, hub: Hub, cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = find(str(suite))
    assert len(file.missing()) == 5
    assert fetch_suite(file, endpoint=hub.address) > 0
    assert {name for name, _ in hub.requests} == {
        "open_clip_config.json",
        "open_clip_model.safetensors",
        "0000.parquet",
    }
    assert find(str(suite)).missing() == []
    assert fetch_suite(file, endpoint=hub.address) == 0
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    answer = cli("merge", suite, "--method", "average", "--json")
    assert answer.status == 0, answer.err
    report = answer.data
    assert [task["name"] for task in report["tasks"]] == ["task0", "task1"]


@pytest.mark.slow
def test_a_fetch_can_be_cancelled_and_taken_up(suite: Path, hub: Hub) -> None:
    calls = 0

    def tick() -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise Cancelled("stopped")

    file = find(str(suite))
    with pytest.raises(Cancelled):
        fetch_suite(file, progress=Remembered(tick), endpoint=hub.address)
    fetch_suite(file, endpoint=hub.address)
    assert find(str(suite)).missing() == []


def test_an_unreachable_hub_is_one_line(suite: Path) -> None:
    with pytest.raises(MergescopeError, match="can't be reached") as caught:
        fetch_suite(find(str(suite)), endpoint="http://127.0.0.1:9")
    assert "\n" not in str(caught.value)


def test_a_run_never_fetches(suite: Path, hub: Hub, cli: Callable[..., Any]) -> None:
    cli("merge", suite, "--method", "average").refused("hub:owner/base", "fetch hub")
    assert hub.requests == []


@pytest.mark.slow
def test_a_suite_of_classifiers_is_fetched_with_what_describes_them(hub: Hub, tmp_path: Path) -> None:
    source = hugging_face_folder(tmp_path / "classifiers")
    for name in ("base", *(f"vit-{task}" for task in LABELS)):
        (source / name).rename(hub.root / "owner" / f"hf-{name}")
    told = {"do_normalize": True, "image_mean": [0.1, 0.2, 0.3], "image_std": [0.5, 0.5, 0.5]}
    (hub.root / "owner/hf-base/preprocessor_config.json").write_text(json.dumps(told))
    tasks = [
        {
            "name": task,
            "expert": {"weights": f"hub:owner/hf-vit-{task}"},
            "data": {"kind": "folder", "path": f"images/{task}"},
        }
        for task in LABELS
    ]
    path = source / "hub.yaml"
    base = {"arch": "transformers", "weights": "hub:owner/hf-base"}
    path.write_text(yaml.safe_dump({"name": "hub", "base": base, "tasks": tasks}))
    with pytest.raises(BadSuite, match="`fetch hub` gets it"):
        find(str(path)).arch()
    fetch_suite(find(str(path)), endpoint=hub.address)
    problem = load(find(str(path)), device="cpu", precision="float32")
    assert problem.encoder.arch.mean == (0.1, 0.2, 0.3)
    assert {task: len(head) for task, head in problem.heads.items()} == {"shapes": 3, "colours": 2}
