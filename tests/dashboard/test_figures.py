"""Figures made of stored runs: data, marks and labels are where they belong, and Plotly accepts them."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import plotly.graph_objects as go
import pytest

from core.store import Store
from dashboard.charts import figures, palette
from dashboard.charts.figure import complete
from dashboard.charts.figures.axes import end_labels, limits
from dashboard.charts.figures.entropy import trailing_mean
from dashboard.charts.history import History
from tests.dashboard import synthetic

DRAWN = [getattr(figures, name) for name in figures.__all__]


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> History:
    with Store.open(tmp_path_factory.mktemp("runs")) as store:
        run_id = synthetic.finished(store, tasks=5, blocks=3, steps=40)
        return History.of(store, store.run(run_id))


@pytest.mark.parametrize("theme", palette.THEMES)
@pytest.mark.parametrize("draw", DRAWN, ids=figures.__all__)
def test_plotly_accepts_the_figure_and_json_has_no_nan(draw, theme, history: History) -> None:
    figure = complete(draw(history, theme=theme), theme)
    json.dumps(figure, allow_nan=False)
    assert len(go.Figure(figure).data) == len(figure["data"]) > 0


@pytest.mark.parametrize("draw", DRAWN, ids=figures.__all__)
def test_themes_share_the_numbers_and_differ_in_colour(draw, history: History) -> None:
    light, dark = (json.dumps(draw(history, theme=theme)) for theme in ("light", "dark"))
    assert light != dark
    sizes = [[len(trace.get("y") or []) for trace in draw(history, theme=theme)["data"]] for theme in palette.THEMES]
    assert sizes[0] == sizes[1]


def test_heatmap_shows_the_coefficients_of_the_step_in_the_order_of_depth(history: History) -> None:
    figure = figures.coefficients(history, 20)
    stored = synthetic.coefficients(synthetic.tensor_names(3), 5, 20, 40)
    order = [column.row for column in history.columns]
    np.testing.assert_allclose(figure["data"][0]["z"], stored[order].T, atol=1e-5)
    assert figure["data"][0]["x"][-1] == "output · proj"


def test_heatmap_between_two_recorded_steps_shows_the_earlier_one(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        run_id = synthetic.create(store, tasks=2, steps=9)
        for step in synthetic.made_up(2, 9, synthetic.tensor_names(1)):
            if step.number % 3 == 0:
                store.record(run_id, step)
        history = History.of(store, store.run(run_id))
    assert np.array_equal(history.values(5), history.values(3))
    assert not np.array_equal(history.values(5), history.values(6))


def test_change_at_the_first_step_is_zero_and_its_scale_is_symmetric(history: History) -> None:
    figure = figures.coefficients_changed(history, 0)["data"][0]
    assert not np.any(figure["z"])
    last = figures.coefficients_changed(history)["data"][0]
    assert last["zmin"] == -last["zmax"] < 0
    assert np.abs(last["z"]).max() <= last["zmax"]


def test_block_is_named_once_and_every_block_has_a_tick(history: History) -> None:
    axis = figures.coefficients(history)["layout"]["xaxis"]
    assert axis["ticktext"] == ["embedding", "block 0", "1", "2", "output"]
    assert axis["tickvals"] == sorted(axis["tickvals"])


def test_accuracy_stands_between_its_marks(history: History) -> None:
    figure = figures.accuracy_by_task(history)
    by_words = {trace["hovertemplate"].split("<br>")[1].split(" %")[0]: trace for trace in figure["data"]}
    assert set(by_words) == {"base", "expert", "step 40"}  # Task Arithmetic was measured on a sample alone.
    assert by_words["base"]["x"] == next(mark["values"] for mark in history.marks["full"] if mark["name"] == "base")
    assert by_words["step 40"]["x"] == history.evaluations[-1]["accuracy"]
    assert [note["text"] for note in figure["layout"]["annotations"]] == [
        f"{100 * value:.1f} %" for value in history.evaluations[-1]["accuracy"]
    ]


def test_accuracy_at_a_step_is_the_newest_not_after_it(history: History) -> None:
    *marks, shown = figures.accuracy_by_task(history, 27)["data"]
    assert "step 24" in shown["hovertemplate"]
    words = [mark["hovertemplate"].split("<br>")[1].split(" %")[0] for mark in marks]
    assert words == ["base, all test images", "Task Arithmetic, λ = 0.3", "expert, all test images"]


def test_small_multiples_have_one_chart_a_task_inside_the_picture(history: History) -> None:
    layout = figures.accuracy_over_steps(history)["layout"]
    domains = [axis["domain"] for name, axis in layout.items() if name.startswith(("xaxis", "yaxis"))]
    assert len(domains) == 2 * len(history.tasks)
    assert all(-1e-9 <= low < high <= 1 + 1e-9 for low, high in domains)


def test_markup_in_task_names_stays_text(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        run_id = synthetic.finished(store, tasks=2, blocks=1, steps=4)
        history = History.of(store, store.run(run_id), titles={"digits": "<a href='https://x'>1</a>"})
    for draw in DRAWN:
        assert "<a " not in json.dumps(draw(history))


def test_end_labels_keep_their_distance_and_stay_inside() -> None:
    labels = end_labels([(0.5, "a", "#000000"), (0.501, "b", "#000000"), (0.0, "c", "#000000")], 1, 0, 1, 100)
    places = sorted(label["y"] * 100 for label in labels)
    assert len(places) == 3
    assert min(b - a for a, b in pairwise(places)) >= 15 - 1e-9
    assert places[0] >= 0
    assert places[-1] <= 100


def test_end_labels_leave_out_what_has_no_room_last_ones_first() -> None:
    labels = end_labels([(value / 10, str(value), "#000000") for value in range(10)], 1, 0, 1, 45)
    assert sorted(label["text"] for label in labels) == ["0", "1", "2"]


@pytest.mark.parametrize(("values", "expected"), [((0.3, 0.3), (0.25, 0.35)), ((0.12, 0.58), (0.1, 0.6)), ((), (0, 1))])
def test_limits_are_round_and_contain_the_values(values, expected) -> None:
    assert limits(values) == pytest.approx(expected)


def test_trailing_mean_ignores_missing_values_and_ends_with_the_newest() -> None:
    values = np.array([[1.0], [np.nan], [3.0], [5.0]], np.float32)
    np.testing.assert_allclose(trailing_mean(values, 2)[:, 0], [1, 1, 3, 4])
