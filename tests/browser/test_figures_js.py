"""The figures of a run as the charts' JavaScript makes them: data, marks and labels are where they belong."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from core.problem.method import Step
from core.statistics import Half, mean
from core.store import Store
from dashboard.charts import palette
from tests.browser.told import answers, load
from tests.dashboard import synthetic
from tests.dashboard.drawn import coloured


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path) as opened:
        yield opened


def test_the_map_names_each_block_once_and_its_change_begins_at_zero(blank: Any, store: Store) -> None:
    load(blank, answers(store, synthetic.finished(store, tasks=5, blocks=6, steps=40)))
    axis, changed, least, most = blank.evaluate(
        """() => {
            const { charts } = mergescope, size = { width: 960, height: 300 };
            const map = (values, scale) => charts.runMap(size, run, values, { selected: null, zoomed: null, ...scale });
            const change = (step) => map(charts.subtract(run.values(step), run.origin), { unit: "Δ", span: run.reach });
            const { zmin, zmax } = change(null).data[0];
            return [map(run.values(null), { unit: "λ", range: run.range }).layout.xaxis,
                    change(0).data[0].z.some((row) => [...row].some(Boolean)), zmin, zmax];
        }"""
    )
    assert axis["ticktext"] == ["embedding", "block 0", "1", "2", "3", "4", "5", "output"]
    assert axis["tickvals"] == sorted(axis["tickvals"])
    assert not changed
    assert least == -most < 0


def test_agreement_is_drawn_over_the_steps_that_were_looked_at_with_the_mean_in_front(blank: Any, store: Store) -> None:
    run_id = synthetic.finished(store, tasks=3, blocks=1, steps=40, kept=13)
    load(blank, answers(store, run_id))
    share, kl = blank.evaluate(
        """() => ["agreement", "kl"].map((measure) => mergescope.charts.agreementFigure(
            { width: 960, height: 300 }, { run, step: null, chosen: -1, measure }))"""
    )
    chosen = [one for one in store.watched(run_id) if one.half is Half.CHOOSING]
    steps = sorted({one.step for one in chosen})
    assert len(share["data"]) == len(kl["data"]) == 4
    for figure, name in ((share, "agreement"), (kl, "kl")):
        for place, task in enumerate(synthetic.task_names(3)):
            expected = [getattr(one, name) for one in chosen if one.task == task]
            assert figure["data"][place]["x"] == steps
            assert figure["data"][place]["y"] == pytest.approx(expected, abs=1e-5)
        means = [mean([getattr(one, name) for one in chosen if one.step == step]) for step in steps]
        assert figure["data"][3]["y"] == pytest.approx(means, abs=1e-5)
    assert steps[kl["data"][3]["y"].index(min(kl["data"][3]["y"]))] == 13


def test_what_has_no_steps_shows_its_agreement_task_by_task(blank: Any, store: Store) -> None:
    run_id = synthetic.create(store, tasks=3, steps=0, method="average")
    store.record(run_id, Step(0))
    store.add_evaluation(run_id, 0, synthetic.looked(3, 0, 0), half=Half.REPORTING)
    synthetic.finish(store, run_id)
    load(blank, answers(store, run_id))
    lines, rows = blank.evaluate(
        "() => ['agreementFigure', 'agreementByTask'].map((name) => mergescope.charts[name]("
        "{ width: 960, height: 300 }, { run, step: null, chosen: -1 }))"
    )
    assert lines is None
    assert rows["data"][0]["x"] == [one.agreement for one in store.watched(run_id)]


def test_every_chart_over_steps_marks_the_kept_step_and_only_where_steps_came_after_it(
    blank: Any, store: Store
) -> None:
    def lines(kept: int, step: int | None) -> dict[str, list[Any]]:
        load(blank, answers(store, synthetic.finished(store, tasks=2, blocks=1, steps=40, kept=kept)))
        drawn = blank.evaluate(
            """(step) => {
                const { charts } = mergescope, size = { width: 960, height: 300 }, view = { run, step, chosen: -1 };
                const cell = { ...view, second: null, task: 0, group: charts.groups(run.columns, "tensor")[0] };
                return { entropy: charts.entropyFigure(size, view), agreement: charts.agreementFigure(size, view),
                         task: charts.taskwiseFigure(size, view), cell: charts.cellFigure(size, cell),
                         accuracy: charts.accuracyOverSteps(size, view) };
            }""",
            step,
        )
        return {
            name: [(line["x0"], line.get("label", {}).get("text")) for line in figure["layout"]["shapes"]
                   if line["x0"] == line["x1"]]
            for name, figure in drawn.items()
        }  # fmt: skip

    for name, found in lines(13, None).items():
        assert found == ([(13, ""), (13, "")] if name == "accuracy" else [(13, "kept: step 13")]), name
    assert lines(0, None)["entropy"] == [(0, "kept: step 0")]
    assert lines(13, 20)["entropy"] == [(13, "kept: step 13"), (20, None)]
    assert not any(lines(40, None).values())


def test_accuracy_stands_between_its_marks_and_small_charts_inside_the_picture(blank: Any, store: Store) -> None:
    whole = answers(store, synthetic.finished(store, tasks=5, blocks=3, steps=40))
    load(blank, whole)
    now, earlier, small = blank.evaluate(
        """() => ["accuracyFigure", "accuracyFigure", "accuracyOverSteps"].map((name, place) =>
            mergescope.charts[name]({ width: 960, height: 300 }, { run, step: place === 1 ? 27 : null }))"""
    )
    by_words = {trace["hovertemplate"].split("<br>")[1].split(" %")[0]: trace for trace in now["data"]}
    last = whole["history"][-1]
    evaluation = next(each["evaluations"] for each in reversed(whole["history"]) if each["evaluations"])[-1]
    beside = last["marks"]["full" if evaluation["full"] else "sample"]
    assert set(by_words) == {*(mark["title"] for mark in beside), "step 40"}
    assert by_words["step 40"]["x"] == evaluation["accuracy"]
    assert "step 24" in earlier["data"][-1]["hovertemplate"]
    domains = [axis["domain"] for name, axis in small["layout"].items() if name.startswith(("xaxis", "yaxis"))]
    assert len(domains) == 2 * 5
    assert all(-1e-9 <= low < high <= 1 + 1e-9 for low, high in domains)


def test_names_at_the_ends_of_lines_keep_their_distance_and_the_last_give_way(blank: Any) -> None:
    def labels(values: list[float], height: int) -> list[dict[str, Any]]:
        wanted = [{"value": value, "text": str(place), "colour": "#000000"} for place, value in enumerate(values)]
        return list(
            blank.evaluate(
                "([wanted, height]) => mergescope.charts.endLabels(wanted, { x: 1, low: 0, high: 1, height })",
                [wanted, height],
            )
        )

    places = sorted(label["y"] * 100 for label in labels([0.5, 0.501, 0.0], 100))
    assert len(places) == 3
    assert min(b - a for a, b in pairwise(places)) >= 15 - 1e-9
    assert places[0] >= 0
    assert places[-1] <= 100
    assert sorted(label["text"] for label in labels([value / 10 for value in range(10)], 45)) == ["0", "1", "2"]


@pytest.mark.parametrize("theme", palette.THEMES)
def test_named_colours_become_those_of_the_theme_and_texts_stay_as_they_are(
    blank: Any, theme: palette.ThemeName
) -> None:
    trace = {
        "name": "@text",
        "customdata": ["@muted", None, 0.5],
        "fillcolor": "@accent 0.16",
        "marker": {"color": "@series3"},
    }
    figure = {"data": [trace, {"colorscale": "@diverging", "z": [[1, None]]}], "layout": {"font": {"color": "@text"}}}
    blank.evaluate("(dark) => document.body.classList.toggle('dark', dark)", theme == "dark")
    made = blank.evaluate("(figure) => mergescope.charts.coloured(figure)", figure)
    assert made == coloured(figure, theme)
    assert (made["data"][0]["name"], made["data"][0]["customdata"]) == ("@text", ["@muted", None, 0.5])
    assert made["layout"]["font"]["color"] == palette.THEMES[theme].page["text"]
