"""What the live charts are told: nothing twice, nothing missing, small, and exact enough."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.problem.method import Step
from core.store import Store
from dashboard.charts.columns import arrange
from dashboard.charts.feed import MOST_STEPS, Feed, describe, suggested_stride
from tests.dashboard import synthetic
from tests.dashboard.conftest import Site


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path) as opened:
        yield opened


def running(store: Store, steps: int, *, tasks: int = 3, blocks: int = 1, planned: int | None = None) -> str:
    run_id = synthetic.create(store, tasks=tasks, steps=planned or steps)
    store.set_status(run_id, "running")
    for step in synthetic.made_up(tasks, steps, synthetic.tensor_names(blocks)):
        store.record(run_id, step)
    return run_id


def ask(store: Store, run_id: str, feed: Feed | None = None, **cursor: Any) -> dict[str, Any]:
    return (feed or Feed(store)).history(store.run(run_id), **cursor)


def follow(store: Store, run_id: str, **cursor: Any) -> list[dict[str, Any]]:
    """Answers until there is no more, as the browser asks."""
    feed, answers = Feed(store), [ask(store, run_id, **cursor)]
    while answers[-1]["more"]:
        last = answers[-1]
        answers.append(
            ask(store, run_id, feed, since=last["cursor"], stride=last["stride"], seen=last["seen"], known=True)
        )
    return answers


def test_pages_hold_every_step_once_and_at_most_200_each(store: Store) -> None:
    answers = follow(store, running(store, 450))
    assert [len(answer["numbers"]) for answer in answers] == [200, 200, 51]
    assert [number for answer in answers for number in answer["numbers"]] == list(range(451))


def test_coefficients_come_back_to_a_half_float_of_their_change(store: Store) -> None:
    run_id = running(store, 30)
    answer = ask(store, run_id)
    stored = np.stack([row.coefficients for row in store.steps(run_id)])
    received = synthetic.decode(answer["coefficients"], stored[0], arrange(store.run(run_id).groups))
    change = np.abs(stored - stored[0])
    assert (np.abs(received - stored) <= change * 2**-11 + 1e-7).all()
    assert change.max() > 0.1


def test_first_coefficients_are_exact_and_in_the_order_of_depth(store: Store) -> None:
    run_id = running(store, 2)
    answer = ask(store, run_id)
    stored = store.steps(run_id, limit=1)[0].coefficients
    origin = np.frombuffer(base64.b64decode(answer["origin"]), "<f4").reshape(3, -1)
    names = [name for name, *_ in answer["columns"]]
    assert names[-1] == "proj"
    np.testing.assert_array_equal(origin, stored[[list(synthetic.tensor_names(1)).index(name) for name in names]].T)


def test_columns_are_sent_once(store: Store) -> None:
    run_id = running(store, 5)
    assert "columns" in ask(store, run_id)
    assert "columns" not in ask(store, run_id, since=3, known=True)
    # A browser that met the run before its first coefficients still gets them.
    assert "columns" in ask(store, run_id, since=3, known=False)


def test_a_step_of_8_times_158_stays_far_below_20_kilobytes(store: Store) -> None:
    run_id = running(store, 3, tasks=8, blocks=13)
    assert len(store.run(run_id).groups) >= 158
    assert len(json.dumps(ask(store, run_id, since=2, known=True))) < 8_000


def test_nothing_new_is_a_small_answer_with_the_same_cursor(store: Store) -> None:
    run_id = running(store, 5)
    answer = ask(store, run_id, since=5, known=True)
    assert (answer["numbers"], answer["coefficients"], answer["cursor"], answer["more"]) == ([], "", 5, False)
    assert len(json.dumps(answer)) < 1_500


def test_queued_run_has_no_columns_and_keeps_the_cursor(store: Store) -> None:
    answer = ask(store, synthetic.create(store))
    assert (answer["status"], answer["cursor"], answer["more"], answer["numbers"]) == ("queued", -1, False, [])
    assert "columns" not in answer


@pytest.mark.slow
def test_long_runs_are_decimated_and_end_with_the_newest_step(store: Store) -> None:
    answers = follow(store, running(store, 2051, tasks=1, blocks=0))
    numbers = [number for answer in answers for number in answer["numbers"]]
    assert {answer["stride"] for answer in answers} == {4}
    assert numbers == [*range(0, 2051, 4), 2051]
    assert max(len(answer["numbers"]) for answer in answers) <= MOST_STEPS


def test_decimated_follower_gets_each_new_step_as_the_newest(store: Store) -> None:
    run_id = running(store, 9, tasks=1, blocks=0)
    assert ask(store, run_id, since=6, stride=4)["numbers"] == [8, 9]
    assert ask(store, run_id, since=8, stride=4)["numbers"] == [9]
    assert ask(store, run_id, since=9, stride=4)["numbers"] == []


@pytest.mark.parametrize(("steps", "stride"), [(0, 1), (1000, 1), (1001, 2), (2000, 2), (2001, 4), (10_000, 16)])
def test_stride_leaves_at_most_a_thousand_steps(steps, stride) -> None:
    assert suggested_stride(steps) == stride


def test_missing_entropies_are_nan_and_losses_are_sent_only_where_they_differ(store: Store) -> None:
    run_id = synthetic.create(store, tasks=2)
    store.record(run_id, Step(0))
    store.record(run_id, Step(1, losses={"digits": 2.0}, entropies={"digits": 1.0}))
    answer = ask(store, run_id)
    entropies = np.frombuffer(base64.b64decode(answer["entropies"]), "<f4").reshape(2, 2)
    losses = np.frombuffer(base64.b64decode(answer["losses"]), "<f4").reshape(2, 2)
    np.testing.assert_array_equal(entropies, [[np.nan, np.nan], [1, np.nan]])
    np.testing.assert_array_equal(losses, [[np.nan, np.nan], [2, np.nan]])
    assert ask(store, running(store, 3))["losses"] == ""


def test_evaluations_are_sent_again_only_when_there_are_more(store: Store) -> None:
    run_id = running(store, 5)
    synthetic.measure(store, run_id, 0, 5)
    first = ask(store, run_id)
    assert [one["step"] for one in first["evaluations"]] == [0]
    assert ask(store, run_id, since=5, seen=first["seen"], known=True)["evaluations"] == []
    synthetic.measure(store, run_id, 5, 5)
    again = ask(store, run_id, since=5, seen=first["seen"], known=True)
    assert [one["step"] for one in again["evaluations"]] == [0, 5]


def test_intervals_contain_the_accuracy(store: Store) -> None:
    run_id = running(store, 5)
    synthetic.measure(store, run_id, 5, 5)
    found = ask(store, run_id)["evaluations"][0]
    assert all(
        low < value < high for low, value, high in zip(found["low"], found["accuracy"], found["high"], strict=True)
    )


def test_evaluations_lost_by_a_resume_are_replaced(store: Store) -> None:
    run_id = running(store, 5)
    synthetic.measure(store, run_id, 0, 5)
    assert ask(store, run_id, since=5, seen=99, known=True)["evaluations"] != []


@pytest.mark.slow
def test_agreements_come_by_step_and_half_and_again_only_when_there_are_more(store: Store) -> None:
    run_id = synthetic.create(store, tasks=2, steps=30)
    steps = list(synthetic.made_up(2, 30, synthetic.tensor_names(1), kept=7))
    for step in steps[:8]:
        store.record(run_id, step)
    first = ask(store, run_id)
    halves = [(one["step"], one["half"]) for one in first["agreements"]]
    assert halves == [(0, "choosing"), (0, "reporting"), (7, "choosing")]
    stored = [one for one in store.watched(run_id) if one.step == 7]
    assert first["agreements"][2]["agreement"] == [one.agreement for one in stored]
    assert first["agreements"][2]["kl"] == pytest.approx([one.kl for one in stored], abs=1e-5)
    assert first["agreements"][2]["images"] == 80
    assert ask(store, run_id, since=7, seen=first["seen"], known=True)["agreements"] == []
    for step in steps[8:]:
        store.record(run_id, step)
    again = ask(store, run_id, since=7, seen=first["seen"], known=True)
    # What the kept model achieves is told of its own step, not of the last one.
    assert [one["step"] for one in again["agreements"] if one["half"] == "reporting"] == [0, 7]


@pytest.mark.slow
def test_the_kept_step_is_told_of_a_finished_run_and_never_left_out_of_a_long_one(store: Store) -> None:
    run_id = synthetic.create(store, tasks=1, steps=1100)
    for step in synthetic.made_up(1, 1100, ["proj"], kept=75):
        store.record(run_id, step)
    assert (ask(store, run_id)["kept"], 75 in ask(store, run_id)["numbers"]) == (None, False)
    synthetic.finish(store, run_id)
    assert ask(store, run_id)["kept"] == 75
    numbers = [number for answer in follow(store, run_id) for number in answer["numbers"]]
    assert numbers == sorted({*range(0, 1101, 2), 75})
    assert ask(store, synthetic.finished(store, tasks=1, blocks=0, steps=3))["kept"] is None


def test_description_names_tasks_for_people(store: Store) -> None:
    record = store.run(synthetic.create(store, tasks=2, name="My run"))
    described = describe(record, {"digits": "Digits 0–9"})
    assert described["tasks"] == [
        {"name": "digits", "title": "Digits 0–9"},
        {"name": "house numbers", "title": "house numbers"},
    ]
    assert described["name"] == "My run"


@pytest.mark.parametrize("value", [None, True, "3", 1.0, -2, 10**7 + 1, [], {}])
def test_numbers_from_a_browser_are_checked(dashboard_site: Site, short_run: str, value: object) -> None:
    answer = dashboard_site.owner().call("history", run=short_run, since=value)
    assert answer["error"].startswith("`since` should be ")
    assert f"Found `{value!r}`" in answer["error"]


def test_a_run_whose_steps_have_no_coefficients_has_frames_for_none(store: Store) -> None:
    run_id = synthetic.create(store, tasks=2)
    store.record(run_id, Step(0, entropies={"digits": 1.0}))
    answer = ask(store, run_id)
    assert answer["numbers"] == [0]
    assert answer["frames"] == []


class Counting:
    """A store that counts how often it is looked into."""

    def __init__(self, store: Store) -> None:
        self._store, self.looks = store, 0

    def __getattr__(self, name: str) -> Any:
        if name == "steps":
            self.looks += 1
        return getattr(self._store, name)


@pytest.mark.slow
def test_viewers_of_the_same_moment_share_one_look(store: Store) -> None:
    run_id = running(store, 50)
    counting = Counting(store)
    feed = Feed(counting)  # type: ignore[arg-type]
    answers = [ask(store, run_id, feed, since=since, known=True) for since in (40, 45, 49, 40)]
    assert [answer["numbers"] for answer in answers] == [
        list(range(41, 51)), list(range(46, 51)), [50], list(range(41, 51)),
    ]  # fmt: skip
    assert counting.looks <= 2  # the steps, and the first λ


def test_shared_steps_grow_by_what_is_new(store: Store) -> None:
    run_id, feed = running(store, 5, planned=9), Feed(store)
    assert ask(store, run_id, feed, since=3, known=True)["numbers"] == [4, 5]
    for step in synthetic.made_up(3, 9, synthetic.tensor_names(1)):
        if step.number > 5:
            store.record(run_id, step)
    assert ask(store, run_id, feed, since=5, known=True)["numbers"] == [6, 7, 8, 9]
    assert ask(store, run_id, feed, since=-1)["numbers"] == list(range(10))


def test_a_run_that_went_back_to_its_checkpoint_is_read_again(store: Store) -> None:
    run_id, feed = running(store, 6), Feed(store)
    assert ask(store, run_id, feed)["cursor"] == 6
    store.rewind(run_id)
    assert ask(store, run_id, feed)["numbers"] == []


@pytest.mark.slow
def test_more_steps_than_are_kept_still_come_complete(store: Store) -> None:
    run_id, feed = running(store, 700, tasks=1, blocks=0), Feed(store)
    ask(store, run_id, feed, since=650, known=True)
    assert ask(store, run_id, feed, since=10, known=True)["numbers"] == list(range(11, 211))


def test_the_last_steps_are_not_lost_when_a_run_ends_right_after_a_look(store: Store) -> None:
    run_id, feed = running(store, 5, planned=9), Feed(store)
    assert ask(store, run_id, feed)["cursor"] == 5
    for step in synthetic.made_up(3, 9, synthetic.tensor_names(1)):
        if step.number > 5:
            store.record(run_id, step)
    store.set_status(run_id, "done")
    assert ask(store, run_id, feed, since=5, known=True)["numbers"] == [6, 7, 8, 9]
