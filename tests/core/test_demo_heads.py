"""The committed suite of classifiers with trained heads: its files, its experts, the order of its merges."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch
from safetensors import safe_open

from core.encoders.linear import logits
from core.methods.wemoe import RoutedEncoder
from core.problem.loading import load
from core.problem.merged import merge
from core.problem.problem import Problem
from core.suite.find import find
from tests.bench.demo_gate import EXPERT, run

ASSETS = Path(__file__).resolve().parents[2] / "assets"
FILES = ASSETS / "demo-heads"


@pytest.fixture(scope="module")
def problem(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Problem]:
    """The suite as it is committed, loaded from nothing."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MERGESCOPE_HOME", str(tmp_path_factory.mktemp("home")))
        yield load(find("demo-heads"), device="cpu", precision="float32")


@pytest.fixture
def recipe(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module of the script that makes the files."""
    monkeypatch.syspath_prepend(str(ASSETS / "demo"))
    from recipe import classifiers  # type: ignore[import-not-found]  # found by its own name

    assert isinstance(classifiers, ModuleType)
    return classifiers


@pytest.mark.slow
def test_the_files_are_what_the_recipe_says(recipe: ModuleType) -> None:
    """Whoever changes the recipe has to make the files again."""
    suite, demo = find("demo-heads"), find("demo")
    assert tuple(task.name for task in suite.tasks) == recipe.NAMES
    assert json.loads((FILES / "config.json").read_text("utf-8")) == recipe.CONFIG
    assert sorted(file.stem for file in FILES.glob("*.safetensors")) == sorted(["base", *recipe.NAMES])
    model = recipe.build()
    shapes = {name: list(tensor.shape) for name, tensor in model.state_dict().items()}
    for file in FILES.glob("*.safetensors"):
        head = {}
        if file.stem != "base":
            classes = len(suite.task(file.stem).classes)
            head = {"head.weight": [classes, model.num_features], "head.bias": [classes]}
        with safe_open(file, framework="pt") as opened:
            assert opened.metadata() == recipe.made_by()
            found = {name: opened.get_slice(name) for name in opened.keys()}  # noqa: SIM118  # it is no mapping
            assert {name: part.get_shape() for name, part in found.items()} == shapes | head
            assert {part.get_dtype() for part in found.values()} == {"F16"}
    assert {task.name: task.classes for task in suite.tasks}.items() <= {t.name: t.classes for t in demo.tasks}.items()


@pytest.mark.slow
def test_the_recipe_gives_the_same_bits_again(recipe: ModuleType) -> None:
    def made() -> dict[str, torch.Tensor]:
        base = recipe.distilled(ASSETS / "demo", recipe.Distilling(steps=2, batch=32, copies=1))
        images, labels = recipe.load_split(ASSETS / "demo", recipe.BY_NAME["satellite"], "train")
        head = recipe.probed(base, images[:64], labels[:64], 5, recipe.Probing(copies=1, iterations=5))
        return {**base.state_dict(), **head.state_dict()}

    first, again = made(), made()
    assert all(torch.equal(tensor, again[name]) for name, tensor in first.items())


def test_its_own_files_are_small_and_its_images_are_the_demos() -> None:
    assert sum(file.stat().st_size for file in FILES.iterdir()) < 8e6
    suite = find("demo-heads")
    assert all(suite.resolve(task.data.path).parent == ASSETS / "demo" for task in suite.tasks)


@pytest.mark.slow
def test_experts_and_merges_keep_their_order(problem: Problem) -> None:
    """Base < averaging < Task Arithmetic < AdaMerging after a quarter of its steps < experts, each at least 90 %."""
    suite = find("demo-heads")
    rows = {name: run(problem, suite, name) for name in ("pretrained", "average", "task_arithmetic")}
    rows["adamerging"] = run(problem, suite, "adamerging", steps=50)
    rows["individual"] = run(problem, suite, "individual")
    averages = [row.average for row in rows.values()]
    assert averages == sorted(averages), rows
    assert min(rows["individual"].accuracy.values()) >= EXPERT


@pytest.mark.slow
def test_routers_on_timms_blocks_that_answer_the_same_for_every_image_are_task_arithmetic(problem: Problem) -> None:
    encoder, task = RoutedEncoder(problem), problem.tasks[0]
    weights = merge(problem.task_vectors, dict.fromkeys(problem.tasks, 0.3))
    routers = {
        name: 0 * tensor if name.endswith("weight") else tensor for name, tensor in encoder.routers(0, 0.3).items()
    }
    prepared = encoder.prepare(problem.images(task)[:6])
    found = encoder.features(encoder.fixed(weights) | routers, prepared)
    expected = problem.encoder.features(weights, prepared)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    head = problem.heads[task]
    assert head.shape[1] == expected.shape[1] + 1  # It has a bias.
    torch.testing.assert_close(logits(expected, head), expected @ head[:, :-1].T + head[:, -1])
