"""The charts' JavaScript by itself, in an empty page: the same numbers as in Python."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.store import Store
from dashboard.charts import palette
from dashboard.charts.columns import arrange
from dashboard.charts.feed import Feed
from dashboard.pages.layers import whatif
from tests.browser.told import answers, load
from tests.dashboard import synthetic


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path) as opened:
        yield opened


def test_every_half_float_is_decoded_as_numpy_does(blank: Any) -> None:
    bits = np.arange(65536, dtype="<u2")
    text = base64.b64encode(bits.tobytes()).decode()
    decoded = blank.evaluate(
        "(text) => Array.from(mergescope.charts.halves(text), (bits) => String(mergescope.charts.fromHalf(bits)))", text
    )
    expected = bits.view("<f2").astype(np.float64)
    found = np.array([float(value.replace("Infinity", "inf")) for value in decoded])
    np.testing.assert_array_equal(found, expected)


def test_every_kind_of_tensor_has_its_place_in_the_order_of_the_palette(blank: Any) -> None:
    kinds = list(palette.LIGHT.kinds)
    columns = [{"name": kind, "label": kind, "block": "block 0", "kind": kind} for kind in reversed(kinds)]
    groups = blank.evaluate("(columns) => mergescope.charts.groups(columns, 'kind').map((group) => group.key)", columns)
    assert groups == kinds
    brief = "(names) => names.map((name) => ['', 'b'].map((letter) => mergescope.charts.briefBlock(name, letter)))"
    assert blank.evaluate(brief, ["embedding", "block 11", "output"]) == [["emb", "emb"], ["11", "b11"], ["out", "out"]]


def test_polls_follow_the_clock_and_only_a_backlog_is_fetched_at_once(blank: Any, store: Store) -> None:
    whole = answers(store, synthetic.finished(store, tasks=1, blocks=0, steps=2))
    going_on = {**whole["history"][0], "status": "running"}
    blank.clock.install(time=0)
    blank.clock.pause_at(1_000)
    blank.evaluate(
        """async ([describe, answer]) => {
            window.asked = 0;
            window.backlog = 0;
            const history = async () => ({ ...answer, more: ++window.asked <= window.backlog });
            window.hub = new mergescope.charts.Hub({ describe: async () => describe, history }, 2);
            hub.watched = () => true;
            hub.show(describe.run);
        }""",
        [whole["describe"], going_on],
    )

    def asked_within(milliseconds: int) -> int:
        before = blank.evaluate("asked")
        for _ in range(milliseconds // 100):
            blank.clock.run_for(100)
        return int(blank.evaluate("asked")) - int(before)

    assert asked_within(1900) == 1
    assert asked_within(10_000) == 5
    blank.evaluate("backlog = asked + 4")
    assert asked_within(2000) == 5
    assert asked_within(10_000) == 5


def test_values_of_every_step_are_those_of_the_store(blank: Any, store: Store) -> None:
    run_id = synthetic.finished(store, tasks=3, blocks=2, steps=230)
    load(blank, answers(store, run_id))
    order = [column.row for column in arrange(store.run(run_id).groups)]
    for step in (0, 1, 150, 230):
        shown = np.array(blank.evaluate("(step) => Array.from(run.values(step))", step)).reshape(3, -1)
        stored = store.steps(run_id, since=step - 1, limit=1)[0].coefficients[order].T
        np.testing.assert_allclose(shown, stored, atol=3e-4)  # half of the last bit of a change of up to 1
    assert blank.evaluate("run.frames.length") == 231
    assert blank.evaluate("run.steps.length") == 231


def test_long_runs_keep_at_most_a_thousand_steps_and_always_the_newest(blank: Any, store: Store) -> None:
    run_id = synthetic.create(store, tasks=1, steps=2500)
    store.set_status(run_id, "running")
    steps = list(synthetic.made_up(1, 2500, ["proj"]))
    for step in steps[:900]:
        store.record(run_id, step)
    load(blank, answers(store, run_id))
    feed = Feed(store)
    for step in steps[900:]:
        store.record(run_id, step)
        if step.number % 100 == 3 or step.number == 2500:
            asked = blank.evaluate("({ since: run.cursor, stride: run.stride, seen: run.seen })")
            told = feed.history(
                store.run(run_id), asked["since"], stride=asked["stride"], seen=asked["seen"], known=True
            )
            blank.evaluate("(answer) => run.ingest(answer)", told)
            assert blank.evaluate("run.last") == step.number
    numbers = blank.evaluate("run.frames.map((frame) => frame.number)")
    assert len(numbers) <= 1000
    assert numbers == sorted(set(numbers))
    assert numbers[:-1] == list(range(0, numbers[-2] + 1, blank.evaluate("run.stride")))


def test_a_followed_run_ends_at_the_step_that_it_kept_even_if_that_was_thinned_out(blank: Any, store: Store) -> None:
    run_id = synthetic.create(store, tasks=1, steps=1100)
    store.set_status(run_id, "running")
    load(blank, answers(store, run_id))
    feed = Feed(store)

    def follow() -> None:
        while not blank.evaluate("run.complete"):
            asked = blank.evaluate(
                "({ since: run.cursor, stride: run.stride, seen: run.seen, known: run.hasCoefficients })"
            )
            blank.evaluate(
                "(answer) => run.ingest(answer)", feed.history(store.run(run_id), asked.pop("since"), **asked)
            )
            if blank.evaluate(f"run.cursor === {store.run(run_id).steps_done} && !run.ended"):
                return

    for step in synthetic.made_up(1, 1100, ["proj"], kept=75):
        store.record(run_id, step)
        if step.number in (500, 1050, 1100):
            follow()
    assert blank.evaluate("run.frames.some((frame) => frame.number === 75)") is False
    assert blank.evaluate("run.frames[run.place(null)].number") == 1100
    synthetic.finish(store, run_id)
    follow()
    assert blank.evaluate("run.frames[run.place(null)].number") == 75
    numbers = blank.evaluate("run.frames.map((frame) => frame.number)")
    assert numbers == blank.evaluate("run.steps.map((step) => step.number)") == sorted({*range(0, 1101, 2), 75})


def test_changes_of_a_what_if_are_those_of_the_server(blank: Any, store: Store) -> None:
    run_id = synthetic.finished(store, tasks=3, blocks=2, steps=4)
    load(blank, answers(store, run_id))
    record = store.run(run_id)
    columns = arrange(record.groups)
    edits = [
        {"task": "digits", "where": "", "op": "scale", "value": 1.5},
        {"task": "", "where": "block:block 1", "op": "add", "value": -0.1},
        {"task": "letters", "where": "column:proj", "op": "set", "value": 0.7},
        {"task": "", "where": "kind:LayerNorm", "op": "set", "value": 0.2},
    ]
    values = store.steps(run_id, limit=1)[0].coefficients
    expected = whatif.apply(values, whatif.parse(edits, record.tasks, columns), record.tasks, columns)
    shown = blank.evaluate("(edits) => Array.from(mergescope.charts.applyEdits(run.values(0), run, edits))", edits)
    order = [column.row for column in columns]
    np.testing.assert_allclose(np.array(shown).reshape(3, -1), expected[order].T, atol=1e-6)


def test_runs_are_compared_by_names_not_by_places(blank: Any, store: Store) -> None:
    first = synthetic.finished(store, tasks=3, blocks=1, steps=2)
    load(blank, answers(store, first))
    blank.evaluate("window.first = run")
    second = synthetic.finished(store, tasks=2, blocks=2, steps=2, seed=3)
    load(blank, answers(store, second))
    aligned = blank.evaluate(
        "Array.from(mergescope.charts.align(run, run.values(null), first),"
        " (value) => (Number.isNaN(value) ? null : value))"
    )
    columns = arrange(store.run(first).groups)
    stored = store.steps(second, since=1)[0].coefficients
    names = list(store.run(second).groups)
    for row in range(2):
        for place, column in enumerate(columns):
            assert aligned[row * len(columns) + place] == pytest.approx(stored[names.index(column.name)][row], abs=3e-4)
    assert aligned[2 * len(columns) :] == [None] * len(columns)


@pytest.mark.parametrize("view", ["live", "layers"])
def test_views_work_from_a_file_without_a_server(blank: Any, store: Store, view: str) -> None:
    whole = answers(store, synthetic.finished(store, tasks=8, blocks=3, steps=250))
    blank.evaluate(
        "([whole, view]) => { const charts = mergescope.charts;"
        " window.hub = new charts.Hub(charts.embedded(whole), 0.01); charts[view](document.getElementById(view), hub);"
        " hub.show(whole.describe.run); }",
        [json.loads(json.dumps(whole)), view],
    )
    blank.wait_for_selector(f"#{view} .heatmaplayer image", state="attached")
    blank.wait_for_function("hub.run.complete && hub.run.frames.length === 251")
    blank.evaluate("hub.setStep(100)")
    blank.wait_for_function(f"document.querySelector('#{view} .mc-step').textContent === '100'")


def test_names_with_markup_are_drawn_as_text(blank: Any, store: Store) -> None:
    whole = answers(store, synthetic.finished(store, tasks=2, blocks=1, steps=3))
    whole["describe"]["tasks"][0]["title"] = "<img src=x onerror=window.__x=1><a href='https://x'>y</a>"
    blank.evaluate(
        "(whole) => { const charts = mergescope.charts; window.hub = new charts.Hub(charts.embedded(whole), 0.01);"
        " charts.live(document.getElementById('live'), hub); hub.show(whole.describe.run); }",
        whole,
    )
    blank.wait_for_selector("#live .heatmaplayer image", state="attached")
    blank.wait_for_timeout(300)
    assert blank.evaluate("window.__x") is None
    assert blank.locator("a[href*=x], img[src=x]").count() == 0


def test_the_box_in_place_of_charts_says_what_the_run_does(blank: Any) -> None:
    """Before the list of runs is known, without a run, in the queue, while it loads, while it evaluates."""
    said = blank.evaluate(
        """() => {
            const { charts } = mergescope, run = new charts.Run("a"), said = [];
            const hub = new charts.Hub({}), root = charts.runState(hub, document.createElement("div"));
            hub.toSetup = () => {};
            const now = (status) => {
                Object.assign(hub, { status });
                hub.emit("status", status);
                const bar = root.querySelector(".ms-bar"), button = root.querySelector("button");
                const [title, text] = [...root.children].map((one) => one.textContent);
                said.push([title, text, bar.hidden ? null : bar.firstChild.style.width, !button.hidden]);
            };
            const doing = { label: "Decoding images", done: 120, total: 480, left: 30 };
            hub.known = false; now(null);
            hub.known = true; now(null);
            hub.id = "a"; hub.runs.set("a", run); now(null);
            run.describe({ tasks: [], status: "queued" });
            now({ status: "queued", position: 2, doing: null });
            now({ status: "queued", position: 0, doing: null });
            now({ status: "queued", position: 0, doing });
            run.status = "running";
            now({ status: "running", steps: 0, steps_done: 0,
                  doing: { label: "Evaluating task 3 of 8, image", done: 1280, total: 5120, left: 0.2 } });
            run.status = "failed"; run.failure = "no memory"; now({ status: "failed" });
            return said;
        }"""
    )
    then = "The charts start with the first step."
    assert said == [
        ["Loading …", "", None, False],
        ["No run chosen", "Start a merge under Set up, or choose a run in the list.", None, True],
        ["Loading …", "", None, False],
        ["Waiting for its turn", "2 other runs are active or queued on this device.", None, False],
        ["Loading the checkpoints and images …", then, None, False],
        ["Decoding images 120 of 480", "about 30 s left", "25%", False],
        ["Evaluating task 3 of 8, image 1,280 of 5,120", then, "25%", False],
        ["This run failed", "no memory", None, False],
    ]


def test_between_steps_only_what_takes_a_while_is_told(blank: Any) -> None:
    run = {"status": "running", "steps": 200, "steps_done": 40}
    short, long = ({"label": "Measuring, image", "done": 1, "total": 9, "left": left} for left in (2, 600))
    words = "(run) => mergescope.charts.doing(run)"
    assert blank.evaluate(words, run | {"doing": short}) is None
    assert blank.evaluate(words, run | {"doing": long}) == ["Measuring, image 1 of 9", "about 10 min left"]
    assert blank.evaluate(words, run | {"doing": short, "steps_done": 200}) == [
        "Measuring, image 1 of 9",
        "about 2 s left",
    ]


def test_the_first_step_has_a_scale_around_it_and_no_speed(blank: Any) -> None:
    assert blank.evaluate("mergescope.charts.limits(0.30000001192, 0.30000001192)") == pytest.approx([0.25, 0.35])
    pace = """(seconds) => { const run = new mergescope.charts.Run("a");
        run.steps = seconds.map((one, number) => ({ number, seconds: one })); return String(run.pace); }"""
    assert blank.evaluate(pace, [0.001]) == "NaN"
    assert blank.evaluate(pace, [0.001, 0.5, 0.7]) == "0.6"
