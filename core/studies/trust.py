"""Whether harm can be foreseen without labels: where entropy can stand in for the loss and where it can't."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from core.statistics import Estimate, Evaluation, Half, mean
from core.studies import Cell, Scope, Study
from core.studies.engine.done import Done, finished
from core.studies.engine.result import Chart, Column, Result, Row, Series, Table
from core.studies.foresight import AHEAD, OF_ALL, OF_TASK, PREDICTORS, Model, Predictor, ranks
from core.studies.stress_cases import Case, cases

LOST = 0.03
"""Accuracy that a task has to lose before it counts."""
QUICK = 8
"""Every so many cases are taken in a quick study."""
WANTED = (0.9, 0.8)
"""Sensitivity and specificity that a check should have."""


class Trust(Study):
    """Stress cases: what became of each task's accuracy, and what could have been known before the start."""

    title = "What can be predicted without labels"
    question = "Can a check before the start tell harmful merges from harmless ones?"
    paper = "AdaMerging, section 3.2.2: entropy as a stand-in for the loss, tested where it may fail"
    seeds = (0,)

    def plan(self, scope: Scope) -> list[Cell]:
        found = [
            case for case in cases(scope.tasks) if not scope.options.methods or case.method in scope.options.methods
        ]
        return [_cell(scope, case) for case in (found[::QUICK] if scope.options.quick else found)]

    def result(self, scope: Scope, cells: Sequence[Done]) -> Result:
        """Sensitivity and specificity of every predictor on cases that did not choose its threshold; then the cases."""
        known = [one for done in finished(cells) if (one := Outcome.of(done)) is not None]
        questions = (
            ("a task loses more than 3 points", Outcome.harmed, OF_TASK),
            ("the average ends below the start", Outcome.below, OF_ALL),
        )
        tables, charts, findings = [], [], []
        for words, asked, check in questions:
            judged = [judge(predictor, known, asked) for predictor in (check, *PREDICTORS)]
            tables.append(_table(words, judged))
            charts.append(_chart(words, judged))
            findings += _findings(words, judged, known, asked)
        order = ranks([model for one in known for model in one.models])
        return Result((*tables, order, _cases(known)), tuple(charts), (*findings, *_guarded(known)))


def _cell(scope: Scope, case: Case) -> Cell:
    values = dict(case.settings)
    lr = scope.settings(case.method).model_dump().get("lr")
    if case.rate != 1 and lr is not None:
        values["lr"] = lr * case.rate
    images = {"stress": [dict(one) for one in case.alterations]} if case.alterations else None
    where = {"case": case.name, "half": case.half.value}
    measures = [{"name": "trust", "ahead": [list(one) for one in AHEAD]}]
    return scope.cell(case.method, where, seed=case.seed, images=images, measures=measures, **values)


@dataclass(frozen=True)
class Outcome:
    """What became of a case, and what was measured before."""

    name: str
    half: Half
    start: Mapping[str, float]
    """Task -> accuracy."""
    last: Mapping[str, float]
    kept: Mapping[str, float] | None
    measured: Mapping[str, Any]
    groups: frozenset[str]
    """What the models of the case are one of, see `ranks`."""

    @staticmethod
    def of(done: Done) -> Outcome | None:
        """None where accuracies are not known."""
        found, tasks = done.measured("trust"), {t["name"]: t["accuracy"] for t in (done.report or {}).get("tasks", [])}
        start = found.get("start")
        if not start or None in start.values() or any(tasks.get(name) is None for name in start):
            return None
        where = done.cell.where
        last = {name: tasks[name] for name in start}
        weak = any(one["kind"] == "weakened" for one in (done.cell.images or {}).get("stress", []))
        groups = {"weakened experts"} if weak else set()
        if done.cell.settings.get("objective") == "expert_kl":
            groups.add("trained by KL to the experts")
        return Outcome(
            str(where["case"]), Half(where["half"]), start, last, found.get("kept"), found, frozenset(groups)
        )

    @property
    def models(self) -> list[Model]:
        """Those of the start, the kept step and the last, where all was looked at."""
        looks = self.measured["looks"]
        last = max((one["step"] for one in looks), default=0)
        moments = {0: self.start, self.measured["kept_step"]: self.kept, last: self.last}
        found = []
        for step, accuracies in moments.items():
            seen = {one["task"]: one for one in looks if one["step"] == step}
            if accuracies is not None and all(None not in one.values() for one in seen.values()) and seen:
                found.append(Model(accuracies, seen, self.groups))
        return found

    def harmed(self) -> bool:
        """Whether some task loses more than `LOST`."""
        return self.worst < -LOST

    def below(self) -> bool:
        """Whether the average ends below the start."""
        return sum(self.last.values()) < sum(self.start.values())

    @property
    def worst(self) -> float:
        """The change of accuracy of the task that loses most."""
        return min(self.last[task] - accuracy for task, accuracy in self.start.items())


Question = Callable[[Outcome], bool]


@dataclass(frozen=True)
class Judged:
    """A predictor with the threshold that the choosing half gives it, on the reporting half."""

    predictor: Predictor
    threshold: float
    chosen: float
    """Sensitivity + specificity − 1 on the choosing half."""
    sensitivity: Evaluation
    specificity: Evaluation
    missed: tuple[str, ...]
    """Cases of the reporting half that did harm without a warning."""
    seconds: float | None


def judge(predictor: Predictor, known: Sequence[Outcome], asked: Question) -> Judged:
    """Choose a threshold on one half, count on the other; a predictor with a threshold of its own keeps it."""
    scored = [(one, score) for one in known if (score := predictor.score(one.measured)) is not None]
    choosing, reporting = ([(o, s) for o, s in scored if o.half is half] for half in Half)
    pairs = [(score, asked(one)) for one, score in choosing]
    threshold = _threshold(pairs) if predictor.threshold is None else predictor.threshold
    right, wrong = [(o, s) for o, s in reporting if asked(o)], [(o, s) for o, s in reporting if not asked(o)]
    return Judged(
        predictor, threshold, _worth(pairs, threshold),
        Evaluation("", sum(s > threshold for _, s in right), len(right), 0.0),
        Evaluation("", sum(s <= threshold for _, s in wrong), len(wrong), 0.0),
        tuple(one.name for one, score in right if score <= threshold),
        mean([predictor.seconds(one.measured) for one, _ in scored]),
    )  # fmt: skip


def _threshold(pairs: Sequence[tuple[float, bool]]) -> float:
    """Half-way between two neighbouring scores, where sensitivity + specificity is highest; of equals the highest."""
    scores = sorted({score for score, _ in pairs})
    between = [(low + high) / 2 for low, high in pairwise(scores)]
    return max((_worth(pairs, one), one) for one in between)[1] if between else 0.0


def _worth(pairs: Sequence[tuple[float, bool]], threshold: float) -> float:
    hits = [score > threshold for score, harm in pairs if harm]
    calm = [score <= threshold for score, harm in pairs if not harm]
    return (sum(hits) / len(hits) if hits else 0.0) + (sum(calm) / len(calm) if calm else 0.0) - 1


def _share(found: Evaluation) -> Estimate | None:
    ends = found.ci95
    return None if found.accuracy is None or ends is None else Estimate(found.accuracy, *ends, found.total)


def _table(words: str, judged: Sequence[Judged]) -> Table:
    columns = (
        Column("sensitivity", marks="nothing"), Column("specificity", marks="nothing"),
        Column("harmful, warned", "count"), Column("harmful", "count"),
        Column("harmless, silent", "count"), Column("harmless", "count"),
        Column("chosen by", "number"), Column("threshold", "number"), Column("takes", "seconds"),
    )  # fmt: skip
    rows = []
    for one in judged:
        yes, no = one.sensitivity, one.specificity
        numbers = (yes.correct, yes.total, no.correct, no.total, one.chosen, one.threshold, one.seconds)
        values = [None if value is None else Estimate(float(value)) for value in numbers]
        rows.append(Row(one.predictor.title, (_share(yes), _share(no), *values)))
    return Table(
        f"Predicted without labels: {words} (cases that were not used to choose a threshold)",
        "Predictor",
        columns,
        tuple(rows),
    )


def _chart(words: str, judged: Sequence[Judged]) -> Chart:
    names = tuple(one.predictor.title for one in judged)
    series = [
        Series(kind, names, tuple(_share(getattr(one, kind)) for one in judged))
        for kind in ("sensitivity", "specificity")
    ]
    return Chart(f"Predicted: {words}", "bars", "", "share of cases", tuple(series))


def _findings(words: str, judged: Sequence[Judged], known: Sequence[Outcome], asked: Question) -> list[str]:
    """What the check before Start achieves, what it misses, and which predictor was best where it is chosen."""
    harm = sum(asked(one) for one in known)
    found = [f"In {harm} of {len(known)} cases, {words}."]
    check, best = judged[0], max(judged, key=lambda one: one.chosen)
    yes, no = check.sensitivity, check.specificity
    if yes.accuracy is None or no.accuracy is None:
        return found
    enough = (
        "as required" if yes.accuracy >= WANTED[0] and no.accuracy >= WANTED[1] else "less than required (90 and 80 %)"
    )
    missed = f" It misses: {'; '.join(check.missed)}." if check.missed else ""
    found.append(
        f"On the cases that were not used to choose a threshold, the check before Start warns in {yes.correct} of the "
        f"{yes.total} in which {words}, and stays silent in {no.correct} of the {no.total} others: {enough}.{missed}"
    )
    found.append(f"Best on the cases used to choose thresholds: {best.predictor.title}.")
    return found


def _guarded(known: Sequence[Outcome]) -> list[str]:
    """What is left of the harm with `keep_step=best`."""
    kept = [replace(one, last=one.kept) for one in known if one.kept is not None]
    if not kept:
        return []
    below, harmed = sum(one.below() for one in kept), sum(one.harmed() for one in kept)
    return [
        f"With `keep_step=best`, the average ends below the start in {below} of {len(kept)} "
        f"cases, and a task loses more than 3 points in {harmed}."
    ]


def _cases(known: Sequence[Outcome]) -> Table:
    columns = (
        Column("start", marks="nothing"), Column("last step", marks="nothing"), Column("kept step", marks="nothing"),
        Column("worst task", "points", "nothing"),
    )  # fmt: skip
    rows = []
    for one in known:
        averages = [mean(list(found.values())) if found else None for found in (one.start, one.last, one.kept)]
        values = [None if value is None else Estimate(value) for value in (*averages, one.worst)]
        rows.append(Row(one.name, tuple(values), one.half.value, ""))
    return Table(
        "The cases: average accuracy, and the change of the task that loses most", "Case", columns, tuple(rows)
    )
