"""Accuracy, its interval, features and the references kept on disk."""

from __future__ import annotations

import importlib
import itertools
from dataclasses import replace
from pathlib import Path

import open_clip
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from core.encoders.family import architecture
from core.encoders.preprocessing import normalise
from core.errors import BadInput
from core.problem.evaluate import Evaluation, evaluate, references
from core.problem.problem import Problem
from core.tasks import Images
from tests.core.naive import Naive
from tests.core.properties import only


@pytest.mark.grid
@pytest.mark.parametrize(("correct", "total"), [(0, 1), (1, 1), (0, 50), (50, 50), (37, 50), (1, 2000), (1999, 2000)])
def test_the_interval_is_wilsons(correct: int, total: int) -> None:
    found = Evaluation("digits", correct, total, 0.0)
    assert found.accuracy == correct / total
    from scipy.stats import binomtest  # Takes a second, which other tests need not wait for.

    expected = binomtest(correct, total).proportion_ci(0.95, method="wilson")
    assert found.ci95 == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_without_labels_there_is_no_accuracy() -> None:
    found = Evaluation("digits", None, 5, 0.3)
    assert (found.accuracy, found.ci95) == (None, None)


def test_logits_and_accuracy_equal_plain_open_clip(problem64: Problem, naive: Naive) -> None:
    """Against `CLIP.encode_image` of a model with the expert's weights loaded."""
    for task in naive.tasks:
        model = open_clip.CLIP(**problem64.encoder.arch.config).eval().double()
        model.visual.load_state_dict(naive.experts[task])
        with torch.no_grad():
            features = model.encode_image(naive.images(task, slice(None)), normalize=True)
        logits = features @ naive.head(list(problem64.classes[task]), ["a patch of {}"]).T
        found = problem64.logits(problem64.task_vectors.expert(task), task, problem64.images(task))
        torch.testing.assert_close(found, logits, rtol=0, atol=1e-5)  # The head was computed in float32.
        result = evaluate(problem64, problem64.task_vectors.expert(task), task)
        assert (result.correct, result.total) == (int((logits.argmax(1) == naive.labels(task)).sum()), 32)
        p = logits.softmax(-1)
        assert result.entropy == pytest.approx(-(p * p.log()).sum(-1).mean().item(), abs=1e-5)


def test_images_are_prepared_as_open_clip_prepares_them(tiny_suite: Path) -> None:
    """Square images of the encoder's own size; others are resized on tensors, within two grey levels of Pillow."""
    arch = architecture("config.json", tiny_suite.parent / "config.json")
    theirs = open_clip.image_transform(16, is_train=False, mean=arch.mean, std=arch.std)
    chance = torch.Generator().manual_seed(0)
    own = torch.randint(0, 256, (16, 16, 3), dtype=torch.uint8, generator=chance)
    torch.testing.assert_close(normalise(arch, own[None])[0], theirs(Image.fromarray(own.numpy())))
    large = torch.randint(0, 256, (40, 40, 3), dtype=torch.uint8, generator=chance)
    difference = (normalise(arch, large[None])[0] - theirs(Image.fromarray(large.numpy()))).abs().max()
    assert difference < 2 / 255 / min(arch.std)


@pytest.mark.parametrize("micro_batch", [1, 7, 64])
def test_micro_batches_do_not_change_logits(micro_batch: int, problem64: Problem) -> None:
    weights, pixels = problem64.task_vectors.base, problem64.images("task0")
    found = replace(problem64, micro_batch=micro_batch).logits(weights, "task0", pixels)
    torch.testing.assert_close(found, problem64.logits(weights, "task0", pixels), rtol=0, atol=1e-12)


def test_a_stop_is_heard_between_micro_batches(problem64: Problem) -> None:
    def ticks(micro_batch: int) -> int:
        heard: list[int] = []
        problem = replace(problem64, micro_batch=micro_batch, tick=lambda: heard.append(1))
        evaluate(problem, problem.task_vectors.base, "task0")
        return len(heard)

    assert ticks(5) == 7 * ticks(32) > 7  # 32 images.


def test_a_limit_spreads_over_the_split(problem64: Problem) -> None:
    seen = []

    class Seen(Problem):
        def logits(self, weights: object, task: str, images: torch.Tensor, *_: object) -> torch.Tensor:
            seen.append(images)
            return torch.zeros(len(images), 4)

    images = Images(torch.arange(1000).view(1000, 1, 1, 1).expand(1000, 1, 1, 3), torch.zeros(1000, dtype=torch.int64))
    fields = {name: getattr(problem64, name) for name in problem64.__dataclass_fields__}
    problem = Seen(**fields | {"load_images": lambda task, split: images})
    for limit in (1, 2, 10, 999, 1000, 5000):
        found = evaluate(problem, {}, "task0", limit=limit)
        chosen = seen[-1][:, 0, 0, 0].tolist()
        assert found.total == len(set(chosen)) == min(limit, 1000)
        assert chosen[0] == 0
        if limit > 1:
            assert chosen[-1] == 999
            gaps = [b - a for a, b in itertools.pairwise(chosen)]
            assert max(gaps) - min(gaps) <= 1


def test_unlabelled_images_give_entropy_alone(problem64: Problem) -> None:
    pixels = problem64.images("task0")
    unlabelled = replace(problem64, load_images=lambda task, split: Images(pixels, None))
    found = evaluate(unlabelled, problem64.task_vectors.base, "task0")
    assert (found.correct, found.total) == (None, 32)
    assert found.entropy == evaluate(problem64, problem64.task_vectors.base, "task0").entropy
    assert references(unlabelled)["task0"].base.accuracy is None


def test_references_are_base_and_expert(problem32: Problem) -> None:
    found = references(problem32)
    assert list(found) == list(problem32.tasks)
    for task, reference in found.items():
        assert reference.base == evaluate(problem32, problem32.task_vectors.base, task)
        assert reference.expert == evaluate(problem32, problem32.task_vectors.expert(task), task)


def test_an_unseen_task_has_no_expert(problem32: Problem) -> None:
    found = references(only(problem32, "task1"))
    assert [found[task].expert is not None for task in problem32.heads] == [False, True, False]


def computed(problem: Problem, monkeypatch: pytest.MonkeyPatch, **how: object) -> int:
    """How many evaluations `references` really makes."""
    calls = []

    def counting(*arguments: object, **more: object) -> Evaluation:
        calls.append(arguments)
        return evaluate(*arguments, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(importlib.import_module("core.problem.evaluate"), "evaluate", counting)
    references(problem, **how)  # type: ignore[arg-type]
    return len(calls)


def test_references_are_computed_once(problem32: Problem, monkeypatch: pytest.MonkeyPatch) -> None:
    assert computed(problem32, monkeypatch) == 6
    assert computed(problem32, monkeypatch) == 0
    assert computed(only(problem32, "task1"), monkeypatch) == 0


@pytest.mark.slow
def test_references_depend_on_all_they_come_from(problem32: Problem, monkeypatch: pytest.MonkeyPatch) -> None:
    assert computed(problem32, monkeypatch) == 6
    assert computed(problem32, monkeypatch, split="train") == 6
    assert computed(problem32, monkeypatch, limit=5) == 6
    assert computed(replace(problem32, hashes={**problem32.hashes, "task1": "x"}), monkeypatch) == 1
    assert computed(replace(problem32, hashes={**problem32.hashes, "base": "y"}), monkeypatch) == 3
    assert computed(replace(problem32, content={**problem32.content, "task1": "z"}), monkeypatch) == 2
    half = replace(problem32, encoder=problem32.encoder.with_precision("bfloat16"))
    assert computed(half, monkeypatch) == 6


def test_without_hashes_nothing_is_remembered(problem32: Problem, monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    nameless = replace(problem32, hashes={})
    assert computed(nameless, monkeypatch) == 6
    assert computed(nameless, monkeypatch) == 6
    assert not (home / "cache" / "evaluations").exists()


@pytest.mark.grid
@pytest.mark.parametrize("damage", ["", "{", "null", "[]", "{}", '{"task": "task0"}', "\xff"])
def test_a_damaged_reference_is_computed_again(
    damage: str, problem32: Problem, monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    first = references(problem32)
    for file in (home / "cache" / "evaluations").iterdir():
        file.write_text(damage, "latin-1")
    assert computed(problem32, monkeypatch) == 6
    assert references(problem32) == first


def test_a_split_the_task_lacks_is_named(problem32: Problem) -> None:
    lacking = replace(problem32, load_images=lambda task, split: None)
    with pytest.raises(BadInput, match="`task0` has no split `test`"):
        references(lacking)


def test_the_base_really_is_the_files(problem32: Problem, tiny_suite: Path) -> None:
    for name, tensor in load_file(tiny_suite.parent / "base.safetensors").items():
        if name.startswith("visual."):
            assert torch.equal(problem32.task_vectors.base[name.removeprefix("visual.")], tensor)
