"""A run says by itself whether its result is any good."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core import methods
from core.learning.starts import made
from core.problem.probe import Probe, divergence
from core.problem.problem import Problem
from core.progress import Progress
from core.runs import runner
from core.runs.spec import RunSpec
from core.runs.verdict import CHEAP, GUIDED, Code, judge, rivals
from core.settings import parse
from core.statistics import Evaluation, Half, accuracy_interval, average_share
from core.step import Need, Outcome
from core.store import Store
from core.studies.guide import bundled, decisions, entries
from core.tasks import Images
from core.techniques.depth import FACTORS


def measured(correct: int | None, agreeing: int, total: int = 400) -> list[Evaluation]:
    """Two tasks that do equally well."""
    return [Evaluation(task, correct, total, 0.5, agreeing=agreeing, kl=0.1) for task in ("a", "b")]


def verdict(own: list[Evaluation], others: dict[str, list[Evaluation]], **more: Any) -> Any:
    found = judge(own, others, title="AdaMerging", **more)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("own", "others", "code", "remedy"),
    [
        (200, {"base": 280, "start": 300, "tsv_m": 320}, Code.BELOW_BASE, {"method": "tsv_m"}),
        (300, {"base": 200, "start": 350, "average": 250}, Code.BELOW_START, None),
        (300, {"base": 200, "start": 290, "average": 310, "tsv_m": 360}, Code.BELOW_RIVAL, {"method": "tsv_m"}),
        (300, {"base": 200, "start": 290, "tsv_m": 305}, Code.FINE, None),  # Within chance.
        (360, {"base": 200}, Code.FINE, None),
    ],
)
@pytest.mark.parametrize("labelled", [True, False])
def test_what_is_ahead_decides(
    own: int, others: dict[str, int], code: Code, remedy: dict[str, str] | None, labelled: bool
) -> None:
    def of(count: int) -> list[Evaluation]:
        # The other number says the opposite, so that the right one has to be looked at.
        return measured(count if labelled else None, 400 - count if labelled else count)

    found = verdict(of(own), {name: of(count) for name, count in others.items()})
    assert (found.code, found.remedy, found.measure) == (code, remedy, "accuracy" if labelled else "agreement")
    assert (found.value, found.images) == (own / 400, 800)
    assert f"{own / 4:.1f} %" in found.sentence


@pytest.mark.parametrize(("base", "gain"), [(200, True), (358, False), (None, True)])
def test_a_gain_over_the_base_is_one_that_chance_does_not_explain(base: int | None, gain: bool) -> None:
    others = {} if base is None else {"base": measured(base, base)}
    found = verdict(measured(360, 360), others)
    assert (found.code, found.gain, found.plain()["gain"]) == (Code.FINE, gain, gain)
    assert ("No gain over the base" in found.sentence) is not gain


def test_a_result_below_its_base_on_all_images_is_called_so_whatever_the_sample_says() -> None:
    others = {"base": measured(200, 200), "tsv_m": measured(360, 360)}
    found = verdict(measured(300, 300), others, full=(0.424, 0.472))
    assert found.code is Code.BELOW_BASE
    assert found.sentence.endswith("Run `tsv_m` instead; it reaches 90.0 % on the monitoring images.")
    assert "42.4 %" in found.sentence
    assert "47.2 %" in found.sentence


def test_a_merge_that_only_equals_its_base_is_not_praised() -> None:
    low, level = measured(200, 200), measured(295, 295)
    told = verdict(measured(300, 300), {"base": level, "average": low, "tsv_m": level}).sentence
    assert told.startswith("Better than Weight averaging; about as good as the base and TSV-Merge: 75.0 %")
    assert "No gain over the base" in told
    assert "No gain" not in verdict(measured(300, 300), {"base": low, "tsv_m": level}).sentence


def test_the_accuracy_on_all_test_images_stands_beside_that_on_some_where_it_is_known() -> None:
    others = {"base": measured(200, 200), "start": measured(250, 250), "tsv_m": measured(298, 298)}
    told = "Better than the base and its start; about as good as TSV-Merge: 75.0 % accurate on 800 monitoring images"
    assert verdict(measured(300, 300), others).sentence == f"{told}."
    assert verdict(measured(300, 300), others, full=(0.867, 0.7)).sentence == f"{told}, 86.7 % on all test images."


def test_a_kept_step_is_told_with_a_reason() -> None:
    found = verdict(measured(300, 300), {"base": measured(200, 200)}, kept=23, last=500)
    assert "after step 23 of 500, so step 23 is kept" in found.sentence
    at_start = verdict(measured(300, 300), {}, kept=0, last=500)
    assert "step 0 is kept" in at_start.sentence


def test_images_that_were_learned_from_are_named() -> None:
    for drawn, told in ((["a"], "images of a, so"), (["a", "b"], "images of all tasks, so"), ([], "")):
        sentence = verdict(measured(300, 300), {"base": measured(200, 200)}, drawn=drawn).sentence
        assert ("may look better" in sentence) == bool(drawn)
        assert told in sentence


def test_the_guide_recommends_what_learned_results_are_held_against() -> None:
    assert decisions(entries(bundled()))[0].use[0] == methods.get(GUIDED).title


def test_a_run_ends_with_its_verdict_and_remembers_its_rivals(
    tmp_path: Path, problem32: Problem, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashes = {name: f"{name} here" for name in ("base", *problem32.tasks)}
    problem, method = dataclasses.replace(problem32, hashes=hashes), methods.get("adamerging")
    with Store.open(tmp_path / "runs") as store:
        spec = RunSpec.of(problem, method, method.Settings(steps=9, batch=8, lr=0.5))
        run_id = spec.create(store)
        report = runner.execute(store, run_id, problem, spec)
        record, watched = store.run(run_id), store.watched(run_id)
        looks = {one.step for one in watched if one.half is Half.CHOOSING}
        assert looks == {0, 5, 7, 9}
        assert record.kept in looks
        assert record.model_step == record.kept == report["kept_step"]
        assert [one.step for one in store.evaluations(run_id)] == [record.kept] * 3
        told, tasks = report["verdict"], problem.tasks
        # 32 images per task are too few to keep some apart.
        assert report["watched"] == {"split": "test", "images": dict.fromkeys(tasks, 32), "drawn": [*tasks]}
        assert set(told["beside"]) == {"base", "start", *CHEAP, GUIDED}
        reported = [one for one in watched if one.half is Half.REPORTING and one.step == record.kept]
        assert told["value"] == pytest.approx(sum(one.accuracy or 0 for one in reported) / 3)
        assert report["average_agreement"] == pytest.approx(sum(one.agreement or 0 for one in reported) / 3)
        kept = store.steps(run_id)[record.kept].coefficients
        assert kept is not None
        assert report["coefficients"]["values"] == kept.tolist()
    monkeypatch.setattr("core.learning.starts.made", lambda *_: pytest.fail("made again"))
    again = rivals(Probe.of(problem, "test"), (*CHEAP, GUIDED), Progress())
    assert sum(one.accuracy or 0 for one in again["average"]) / 3 == pytest.approx(told["beside"]["average"])


@pytest.mark.slow
def test_without_labels_agreement_takes_the_place_of_accuracy(tmp_path: Path, problem32: Problem) -> None:
    def load(task: str, split: str) -> Images:
        return Images(problem32.split(task, split).pixels, None)

    problem, method = dataclasses.replace(problem32, load_images=load), methods.get("task_arithmetic")
    with Store.open(tmp_path / "runs") as store:
        spec = RunSpec.of(problem, method, method.Settings())
        report = runner.execute(store, spec.create(store), problem, spec)
    assert report["average_accuracy"] is None
    assert report["average_agreement"] is not None
    assert report["verdict"]["measure"] == "agreement"
    assert set(report["verdict"]["beside"]) == {"base", "average"}


def test_accuracy_lies_in_the_interval_that_agreement_leaves() -> None:
    """Of all answers of 40 images on three classes that were drawn, none gives an accuracy outside."""
    random = np.random.default_rng(0)
    for _ in range(300):
        labels, expert, merged = random.integers(0, 3, (3, 40))
        expert = np.where(random.random(40) < 0.6, labels, expert)
        agreement, own = (float((expert == one).mean()) for one in (merged, labels))
        right = (merged == labels).mean()
        low, high = accuracy_interval(agreement, 10**9, own, 10**9)
        assert low - 1e-4 <= right <= high + 1e-4
    assert accuracy_interval(1.0, 10**9, 0.8, 10**9) == pytest.approx((0.8, 0.8), abs=1e-4)
    low, high = accuracy_interval(0.9, 100, 0.8, 100)
    assert low < 0.7 < 0.9 < high


@pytest.mark.slow
@pytest.mark.parametrize("method", ["task_arithmetic", "ties", "tsv_m", "lines", "dare"])
def test_a_scale_is_chosen_by_the_experts_answers(method: str, problem64: Problem) -> None:
    kind = methods.get(method)
    settings = parse(kind.Settings, {"scale": "auto"}, method)
    *_, last = kind.steps(problem64, settings)
    assert kind.needed(settings) is Need.UNLABELLED
    assert last.outcome is not None
    probe, vectors = Probe.of(problem64, "test"), problem64.task_vectors
    plain = vectors.flat(made(problem64, method)) - vectors.origin
    seen = {
        factor: probe.evaluate(Outcome.of(vectors.named(vectors.origin + factor * plain)), Half.CHOOSING)
        for factor in FACTORS
    }
    found = {factor: (average_share(one, "agreement"), -divergence(one)) for factor, one in seen.items()}
    best = max(found, key=lambda factor: found[factor])
    agreement, kl = found[best][0], pytest.approx(-found[best][1])
    assert last.outcome.chosen == {"factor": best, "agreement": agreement, "kl": kl}
    apart = vectors.flat(last.outcome.weights_for("task0")) - vectors.origin - best * plain
    assert apart.abs().max() < 1e-12
    assert last.samples >= probe.size
