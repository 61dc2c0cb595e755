"""Fisher, RegMean, RegMean++ and FeatCal against the definitions, computed with a written-out encoder and autograd."""

from __future__ import annotations

import warnings
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from core.errors import BadInput
from core.problem.method import Need
from core.problem.problem import Problem
from core.settings import parse
from core.tasks import Images
from core.techniques.linear_maps import find, watch
from core.techniques.moments import moments
from tests.core.naive import Naive
from tests.core.plain_vit import forward
from tests.core.properties import assert_close, merged, run

SPLIT = "held-out"
EVERYTHING = {"samples": 1000}
"""More images than there are, so that the order in which they are drawn does not matter."""


def grams(naive: Naive, weights: dict[str, Tensor], task: str) -> dict[str, Tensor]:
    """Second moments of every linear map's input."""
    _, seen = forward(weights, naive.images(task, slice(None), SPLIT))
    return {name: x.T @ x / len(x) for name, x in seen.items()}


def test_the_written_out_encoder_is_the_encoder(naive: Naive) -> None:
    images = naive.images("task1", slice(0, 3))
    with torch.no_grad():
        torch.testing.assert_close(forward(naive.experts["task1"], images)[0], naive.visual_of("task1")(images))


def test_every_linear_map_is_found_in_the_order_of_use(problem64: Problem, naive: Naive) -> None:
    _, seen = forward(naive.base, naive.images("task0", slice(0, 1)))
    found = find(problem64)
    assert [one.name for one in found] == list(seen)
    assert {one.name for one in found if one.transposed} == {"proj"}


@pytest.mark.parametrize("micro_batch", [64, 5])
def test_moments_are_those_of_the_inputs(micro_batch: int, problem64: Problem, naive: Naive) -> None:
    problem = replace(problem64, micro_batch=micro_batch)
    images = problem.images("task2", SPLIT)
    expected = grams(naive, naive.experts["task2"], "task2")
    found = moments(problem, problem.task_vectors.expert("task2"), images, set(expected))
    assert list(found) == list(expected)
    for name, gram in expected.items():
        torch.testing.assert_close(found[name], gram, rtol=1e-10, atol=1e-12)


def test_a_pass_ends_once_everything_wanted_was_seen(problem64: Problem) -> None:
    maps = [one.name for one in find(problem64)]
    seen: list[str] = []
    base, images = problem64.task_vectors.base, problem64.images("task0")[:2]
    watch(problem64, base, images, {maps[3], maps[1]}, lambda name, _x: seen.append(name))
    assert seen == [maps[1], maps[3]]
    assert torch.backends.mha.get_fastpath_enabled()


def test_bfloat16_runs_measure_in_float32(problem32: Problem) -> None:
    half = replace(problem32, encoder=problem32.encoder.with_precision("bfloat16"))
    name, images = find(half)[0].name, half.images("task0")[:4]
    base = half.task_vectors.base
    assert torch.equal(moments(half, base, images, {name})[name], moments(problem32, base, images, {name})[name])


def scaled(gram: Tensor, diagonal: float) -> Tensor:
    """Off-diagonal moments times a factor."""
    return diagonal * gram + (1 - diagonal) * gram.diagonal().diag()


def rows(name: str, weight: Tensor) -> Tensor:
    """`[out, in]`; CLIP's projection is stored the other way."""
    return weight.T if name == "proj" else weight


@pytest.mark.parametrize("diagonal", [0.0, 0.9])
def test_regmean_equals_its_closed_form(diagonal: float, problem64: Problem, naive: Naive) -> None:
    found = merged("regmean", problem64, "task0", diagonal=diagonal, **EVERYTHING)
    statistics = {task: grams(naive, naive.experts[task], task) for task in naive.tasks}
    for name in naive.names:
        experts = [naive.experts[task][name] for task in naive.tasks]
        if name in statistics["task0"]:
            own = [scaled(statistics[task][name], diagonal) for task in naive.tasks]
            weighted = sum(rows(name, e) @ g for e, g in zip(experts, own, strict=True))
            expected = rows(name, torch.linalg.lstsq(sum(own), weighted.T).solution.T)
        else:
            expected = sum(experts) / len(experts)
        torch.testing.assert_close(found[name], expected, rtol=0, atol=1e-6, msg=lambda m, n=name: f"{n}: {m}")


@pytest.mark.slow
def test_regmean_equals_fusion_bench(problem64: Problem, naive: Naive) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from fusion_bench.method.regmean.regmean import merging_with_regmean_weights
    statistics = {task: grams(naive, naive.experts[task], task) for task in naive.tasks}
    layer = "transformer.resblocks.1.mlp.c_fc"
    weight, bias = f"{layer}.weight", f"{layer}.bias"
    expected = merging_with_regmean_weights(
        {name: [naive.experts[task][name] for task in naive.tasks] for name in (weight, bias)},
        [{layer: statistics[task][weight]} for task in naive.tasks],
        reduce_non_diagonal_ratio=0.95,
    )
    found = merged("regmean", problem64, "task0", diagonal=0.95, **EVERYTHING)
    torch.testing.assert_close(found[weight], expected[weight], rtol=0, atol=1e-6)
    torch.testing.assert_close(found[bias], expected[bias], rtol=0, atol=1e-14)


@pytest.mark.slow
def test_regmean_pp_equals_block_after_block_by_hand(problem64: Problem, naive: Naive) -> None:
    """Embedding, two blocks, output: each with the expert's own tensors from there on, merged ones before."""
    found = merged("regmean_pp", problem64, "task0", **EVERYTHING)
    done: dict[str, Tensor] = {}
    for stage in ("", "resblocks.0.", "resblocks.1.", "output"):
        own = [n for n in naive.names if _stage(n) == stage]
        statistics = {t: grams(naive, naive.experts[t] | done, t) for t in naive.tasks}
        for name in own:
            experts = [naive.experts[task][name] for task in naive.tasks]
            done[name] = sum(experts) / len(experts)
            if name in statistics["task0"]:
                moments_of = [scaled(statistics[task][name], 0.9) for task in naive.tasks]
                weighted = sum(rows(name, e) @ g for e, g in zip(experts, moments_of, strict=True))
                done[name] = rows(name, torch.linalg.lstsq(sum(moments_of), weighted.T).solution.T)
    assert_close({n: found[n] for n in naive.names}, {n: done[n] for n in naive.names}, 1e-6)
    plain = merged("regmean", problem64, "task0", **EVERYTHING)
    assert (plain["proj"] - found["proj"]).abs().max() > 1e-4


def _stage(name: str) -> str:
    if "resblocks" in name:
        return f"resblocks.{name.split('.')[2]}."
    return "output" if name.startswith(("ln_post", "proj")) else ""


@pytest.mark.slow
@pytest.mark.parametrize("together", ["layer", "whole_block"])
def test_featcal_equals_its_least_squares(together: str, problem64: Problem, naive: Naive) -> None:
    """The same minimum found by stacking the ridge under the data, one stage after the other."""
    found = merged("featcal", problem64, "task0", together=together, **EVERYTHING)
    now = {n: naive.base[n] + 0.3 * sum(naive.delta(t, n) for t in naive.tasks) for n in naive.names}
    images = {t: naive.images(t, slice(None), SPLIT) for t in naive.tasks}
    theirs = {t: forward(naive.experts[t], images[t])[1] for t in naive.tasks}
    maps = list(theirs["task0"])
    stages = [[n] for n in maps] if together == "layer" else [maps[:4], maps[4:8], maps[8:]]
    for stage in stages:
        ours = {t: forward(now, images[t])[1] for t in naive.tasks}
        for name in stage:
            weight = rows(name, now[name])
            x = torch.cat([ours[t][name] for t in naive.tasks])
            left = torch.cat([
                (0.25 * theirs[t][name] + 0.75 * ours[t][name]) @ rows(name, naive.experts[t][name]).T
                - ours[t][name] @ weight.T
                for t in naive.tasks
            ])  # fmt: skip
            ridge = (0.05 * (x.T @ x).diagonal().mean()).sqrt() * torch.eye(x.shape[1]).double()
            change = torch.linalg.lstsq(torch.cat([x, ridge]), torch.cat([left, 0 * ridge @ weight.T])).solution.T
            now = now | {name: rows(name, weight + change).contiguous()}
    assert_close({n: found[n] for n in naive.names}, now, 1e-8)


@pytest.mark.slow
@pytest.mark.parametrize("answers", ["all", "labels"])
@pytest.mark.parametrize("normalise", [True, False])
def test_fisher_equals_its_definition(answers: str, normalise: bool, problem64: Problem, naive: Naive) -> None:
    few = {
        task: Images(problem64.images(task, SPLIT)[:3], problem64.split(task, SPLIT).labels[:3]) for task in naive.tasks
    }  # type: ignore[index]
    problem = replace(problem64, load_images=lambda task, _split: few[task])
    found = merged("fisher", problem, "task0", answers=answers, normalise=normalise)
    weights = {}
    for task in naive.tasks:
        leaves = {n: w.clone().requires_grad_() for n, w in naive.experts[task].items()}
        total = {n: torch.zeros_like(w) for n, w in leaves.items()}
        for at in range(3):
            features, _ = forward(leaves, naive.images(task, slice(at, at + 1), SPLIT))
            logits = features / features.norm(dim=-1, keepdim=True) @ problem.heads[task].T
            log_p = logits.log_softmax(-1)[0]
            wanted = range(len(log_p)) if answers == "all" else [int(naive.labels(task, SPLIT)[at])]
            for y in wanted:
                share = log_p[y].exp().item() if answers == "all" else 1
                gradients = torch.autograd.grad(log_p[y], list(leaves.values()), retain_graph=True)
                for name, gradient in zip(leaves, gradients, strict=True):
                    total[name] += share * gradient**2
        size = torch.cat([t.flatten() for t in total.values()]).square().mean().sqrt()
        weights[task] = {n: t / size + 1e-6 if normalise else t + 1e-6 * size for n, t in total.items()}
    for name in naive.names:
        number = sum(weights[t][name] * naive.experts[t][name] for t in naive.tasks)
        expected = number / sum(weights[t][name] for t in naive.tasks)
        torch.testing.assert_close(found[name], expected, rtol=0, atol=1e-8, msg=lambda m, n=name: f"{n}: {m}")


@pytest.mark.slow
def test_fisher_of_sampled_answers_is_close_to_all_answers(problem64: Problem) -> None:
    """One draw per image is noisy; the mean of the experts knows nothing of the images."""
    flat = problem64.task_vectors.flat
    exact, drawn = (flat(merged("fisher", problem64, "task0", answers=a, **EVERYTHING)) for a in ("all", "sampled"))
    plain = flat(merged("average", problem64, "task0"))
    assert 0.01 < (drawn - exact).norm() < 0.6 * (plain - exact).norm()


@pytest.mark.slow
def test_fisher_in_bfloat16_is_close_to_fisher_in_float32(problem32: Problem) -> None:
    half = replace(problem32, encoder=problem32.encoder.with_precision("bfloat16"))
    flat = problem32.task_vectors.flat
    single, narrow = (flat(merged("fisher", problem, "task0", **EVERYTHING)) for problem in (problem32, half))
    plain = flat(merged("average", problem32, "task0"))
    assert (narrow - single).norm() < 0.3 * (plain - single).norm()


@pytest.mark.slow
def test_fisher_asks_for_labels_only_where_they_are_used(problem64: Problem) -> None:
    from core import methods

    method = methods.get("fisher")
    assert method.needed(parse(method.Settings, {}, "fisher")) is Need.UNLABELLED
    assert method.needed(parse(method.Settings, {"answers": "labels"}, "fisher")) is Need.LABELLED
    unlabelled = replace(problem64, load_images=lambda t, s: Images(problem64.images(t, s), None))
    run("fisher", unlabelled)
    with pytest.raises(BadInput, match=r"`answers=labels` needs labels. Found none for task `task0`"):
        run("fisher", unlabelled, answers="labels")


@pytest.mark.parametrize("method", ["fisher", "regmean", "regmean_pp", "featcal"])
def test_a_missing_split_is_named_before_anything_is_computed(method: str, problem64: Problem) -> None:
    without = replace(
        problem64, load_images=lambda task, split: None if split == SPLIT else problem64.split(task, split)
    )
    with pytest.raises(BadInput, match="Task `task0` has no split `held-out`; choose another split"):
        run(method, without)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["fisher", "regmean", "regmean_pp", "featcal"])
def test_the_images_that_were_looked_at_are_counted(method: str, problem64: Problem) -> None:
    assert sum(step.samples for step in run(method, problem64, samples=7)) == 21
    assert sum(step.samples for step in run(method, problem64, samples=999)) == 72
