"""Bars, radar and accuracy against time of several runs."""

from __future__ import annotations

import json

import plotly.graph_objects as go
import pytest

from core.export.results import build
from dashboard.charts import palette
from dashboard.pages.compare import figures
from dashboard.pages.compare.time import time
from tests.dashboard.compared import TASKS, record, table
from tests.dashboard.drawn import complete

DRAWN = {"bars": figures.bars, "radar": figures.radar, "time": time}


@pytest.mark.parametrize("narrow", [False, True])
@pytest.mark.parametrize("name", DRAWN)
def test_plotly_accepts_the_figures(name: str, narrow: bool) -> None:
    found = table(record("a" * 12, [0.9, 0.5, None]), record("b" * 12, [0.8, 0.8, 0.6], seconds=900.0))
    figure = DRAWN[name](found, found.rows, narrow=narrow)
    json.dumps(figure, allow_nan=False)
    for theme in palette.THEMES:
        assert len(go.Figure(complete(figure, theme)).data) == len(figure["data"]) > 0


def test_bars_carry_the_accuracies_and_their_intervals() -> None:
    found = table(record("a" * 12, [0.9, 0.5, 0.7]))
    bar = figures.bars(found, found.rows[:1])["data"][0]
    assert bar["y"] == [0.9, 0.5, 0.7]
    assert bar["error_y"]["array"] == pytest.approx([0.01] * 3)
    assert bar["error_y"]["arrayminus"] == pytest.approx([0.02] * 3)


@pytest.mark.parametrize("name", DRAWN)
def test_runs_without_labels_give_no_empty_axes(name: str) -> None:
    found = table(record("a" * 12, [None] * 3))
    assert DRAWN[name](found, found.rows[:1])["data"] == []


def test_names_of_runs_are_no_markup_in_figures() -> None:
    found = table(record("a" * 12, [0.9, 0.5, 0.7], name="<a href='x'>y</a>"), record("b" * 12, [0.8, 0.8, 0.6]))
    for draw in DRAWN.values():
        assert "<a" not in json.dumps(draw(found, found.rows))


def test_the_radar_puts_one_hundred_per_cent_on_the_unit_circle_and_the_first_task_on_top() -> None:
    found = table(record("a" * 12, [1.0, 1.0, 1.0]), record("b" * 12, [0.5, 0.6, 0.7]))
    whole = figures.radar(found, found.rows[:1])["data"][0]
    assert all(x**2 + y**2 == pytest.approx(1, abs=1e-4) for x, y in zip(whole["x"], whole["y"], strict=True))
    assert (whole["x"][0], whole["y"][0]) == pytest.approx((0, 1), abs=1e-4)
    assert (whole["x"][0], whole["y"][0]) == (whole["x"][-1], whole["y"][-1])
    inside = figures.radar(found, found.rows[:2])["data"][1]
    assert all(x**2 + y**2 < 0.5 for x, y in zip(inside["x"], inside["y"], strict=True))


def test_a_radar_of_two_tasks_is_not_drawn() -> None:
    few = build("demo", [record("a" * 12, [0.9, 0.5], tasks=TASKS[:2])], TASKS, {})
    assert figures.radar(few, few.rows)["data"] == []


def test_seconds_far_apart_get_a_logarithmic_axis() -> None:
    found = table(record("a" * 12, [0.9, 0.5, 0.7], seconds=0.01), record("b" * 12, [0.8, 0.8, 0.6], seconds=900.0))
    assert time(found, found.rows)["layout"]["xaxis"]["type"] == "log"
    near = table(record("a" * 12, [0.9, 0.5, 0.7], seconds=10.0), record("b" * 12, [0.8, 0.8, 0.6]))
    assert time(near, near.rows)["layout"]["xaxis"]["type"] == "linear"
    assert len(time(near, near.rows)["data"]) == 2


def test_names_at_the_points_do_not_cover_each_other() -> None:
    runs = [
        record(f"{place:012x}", [0.8, 0.8 + place / 1000, 0.8], name=f"run number {place}", seconds=1 + place / 50)
        for place in range(6)
    ]
    found = table(*runs)
    layout = time(found, found.chosen([run.id for run in runs]), found.rows)["layout"]
    places = {(note["xshift"], note["yshift"], note["xanchor"]) for note in layout["annotations"]}
    assert len(layout["annotations"]) == 6
    assert len(places) >= 5


def test_runs_that_are_not_ticked_stand_behind_without_names() -> None:
    found = table(*(record(f"{place:012x}", [0.8, 0.7, 0.8], name=f"run {place}") for place in range(30)))
    figure = time(found, found.rows[:2], found.rows[2:30])
    assert [len(trace["x"]) for trace in figure["data"]] == [28, 1, 1]
    assert len(figure["layout"]["annotations"]) == 2
