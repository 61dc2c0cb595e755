"""The description of task vectors that the page shows, and its figures."""

from __future__ import annotations

import json
import time
from typing import Any

import plotly.graph_objects as go
import pytest
import torch

from core.insight.advice import ordering
from core.insight.similarity import ALL, Relation, Similarity
from dashboard.charts import palette
from dashboard.pages.similarity import figures
from dashboard.pages.similarity.description import describe
from tests.dashboard.drawn import complete

TASKS = ("far", "left", "right")


def relation(first: float, scale: float = 1.0) -> Relation:
    """`left` and `right` are alike by `first`, `far` is unrelated."""
    cosine = torch.tensor([[1, 0.01, 0.02], [0.01, 1, first], [0.02, first, 1]], dtype=torch.float64)
    conflict = torch.tensor([[0.0, 0.5, 0.49], [0.5, 0.0, 0.4], [0.49, 0.4, 0.0]], dtype=torch.float64)
    return Relation(cosine, scale * torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64), conflict)


@pytest.fixture
def found() -> Similarity:
    return Similarity(TASKS, {ALL: relation(0.4), "output": relation(0.6), "block 1": relation(0.2),
                              "embedding": relation(0.1), "block 0": relation(0.3)})  # fmt: skip


def test_rows_and_columns_stand_in_the_clustered_order(found: Similarity) -> None:
    told = describe(found, {"left": "Left ones"})
    assert abs(told["tasks"].index("Left ones") - told["tasks"].index("right")) == 1
    left, right = told["tasks"].index("Left ones"), told["tasks"].index("right")
    assert told["cosine"][ALL][left][right] == told["cosine"][ALL][right][left] == 0.4
    assert told["norms"][ALL][right] == 3
    assert [told["cosine"][ALL][place][place] for place in range(3)] == [None] * 3


def test_groups_stand_in_the_order_of_depth(found: Similarity) -> None:
    assert describe(found)["groups"] == [ALL, "embedding", "block 0", "block 1", "output"]


def test_a_zero_task_vector_is_shown_as_unknown_not_as_nan(found: Similarity) -> None:
    nan = float("nan")
    cosine = torch.tensor([[nan, nan, nan], [nan, 1, 0.4], [nan, 0.4, 1]], dtype=torch.float64)
    broken = Relation(cosine, torch.tensor([0.0, 2.0, 3.0], dtype=torch.float64), cosine)
    told = describe(Similarity(TASKS, {ALL: broken, "block 0": broken}))
    json.dumps(told, allow_nan=False)
    assert told["cosine"][ALL][told["tasks"].index("far")] == [None] * 3


def test_advice_comes_with_the_description(found: Similarity) -> None:
    assert describe(found)["advice"][0]["kind"] == "group"


@pytest.mark.parametrize("width", ["wide", "narrow"])
@pytest.mark.parametrize("name", ["cosine", "conflict", "norms", "depth"])
def test_plotly_accepts_the_figures(found: Similarity, name: str, width: str) -> None:
    figure = describe(found)["figures"][name][width]
    json.dumps(figure, allow_nan=False)
    for theme in palette.THEMES:
        assert len(go.Figure(complete(figure, theme)).data) == len(figure["data"]) > 0


def test_the_colour_range_is_that_of_all_groups_and_centred(found: Similarity) -> None:
    heat = describe(found)["figures"]["cosine"]["wide"]["data"][0]
    assert (heat["zmin"], heat["zmax"]) == (-0.6, 0.6)
    signs = describe(found)["figures"]["conflict"]["wide"]["data"][0]
    assert (signs["zmin"], signs["zmax"]) == pytest.approx((0.4, 0.6))
    assert signs["colorscale"] == heat["colorscale"]
    assert (signs["reversescale"], heat["reversescale"]) == (True, False)


def test_the_tree_joins_what_is_most_alike_first(found: Similarity) -> None:
    x, y = figures.branches(ordering(found.overall))
    tops = [height for height in y if height]
    assert min(tops) == pytest.approx(0.6)
    assert max(value for value in x if value is not None) <= 2
    assert len(x) == len(y) == 10


def test_many_tasks_get_no_numbers_in_their_cells() -> None:
    names = [f"task {place}" for place in range(20)]
    values = {ALL: [[0.1] * 20 for _ in names]}
    assert "texttemplate" not in figures.matrix(names, values, ([], []), "cosine")["data"][0]
    assert "texttemplate" in figures.matrix(names[:8], {ALL: [[0.1] * 8] * 8}, ([], []), "cosine")["data"][0]


def test_a_narrow_figure_calls_a_task_by_its_title_cut_off() -> None:
    drawn = figures.norms(["Fruit and vegetables", "Flags"], [1.0, 2.0], narrow=True)
    assert sorted(drawn["layout"]["yaxis"]["ticktext"]) == ["Flags", "Fruit and v…"]


def test_names_are_no_markup_in_figures() -> None:
    names = ["<b onclick=x>", "b"]
    drawn = figures.matrix(names, {ALL: [[None, 0.1], [0.1, None]]}, ([], []), "cosine")
    assert "<b onclick" not in json.dumps(drawn)
    assert "<b onclick" not in json.dumps(figures.norms(names, [1.0, 2.0]))


def answered(dashboard: Any, name: str, **args: Any) -> Any:
    """Ask until the answer is there, as the page does."""
    deadline = time.monotonic() + 120
    while "pending" in (answer := dashboard.call(name, **args)):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return answer


def test_the_server_compares_the_experts_of_a_run(dashboard_site: Any, short_run: str) -> None:
    answer = answered(dashboard_site.owner(), "similarity", run=short_run)
    assert sorted(answer["tasks"]) == ["task0", "task1", "task2"]
    assert answer["groups"] == [ALL, "embedding", "block 0", "block 1", "output"]
    assert answer["advice"]


def test_viewers_see_the_experts_of_their_run_and_nothing_without_one(dashboard_site: Any, short_run: str) -> None:
    viewer = dashboard_site.viewer(short_run)
    assert "tasks" in answered(viewer, "similarity", run=short_run)
    assert "Choose a run" in viewer.call("similarity", run="")["error"]
    assert "not here" in viewer.call("similarity", run="0" * 12)["error"]
    assert "not here" in viewer.call("similarity", run={"run": 1})["error"]
