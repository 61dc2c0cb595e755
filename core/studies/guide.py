"""The method guide: what you have -> what to use, and a card for every method; everything comes from the registry.

Accuracies are those of a finished study `accuracy`: the one of the store, or the bundled one of the demo suite, which
`python launch.py study accuracy demo --seeds 0 --json` printed (assets/reference/demo_accuracy.json).
"""

from __future__ import annotations

import inspect
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core import methods
from core.export.numbers import percent
from core.paths import ASSETS
from core.problem.method import Method, Role
from core.step import Need
from core.studies import everywhere

BUNDLED = ASSETS / "reference" / "demo_accuracy.json"
SUGGESTED = 3


@dataclass(frozen=True)
class MethodCard:
    """One method."""

    name: str
    title: str
    summary: str
    formula: str
    paper: str
    needs: str
    trains: str
    cost: str
    single: bool
    role: Role
    group: str
    """The part of the guide that it stands in."""
    accuracy: float | None = None
    """Average over the tasks of the measured suite, a fraction; None where it was not measured."""
    seconds: float | None = None
    """Time of the steps on that machine."""
    behind: float | None = None
    """How far its accuracy is behind the best, mean over the suites and numbers of images of `everywhere`."""


@dataclass(frozen=True)
class Decision:
    """One line of the decision table."""

    have: str
    use: tuple[str, ...]
    """Titles of methods, the best measured first."""
    how: str
    always: bool = True
    """Whether the line tells something also where no method of this installation fits."""


def measured(report: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """Title -> `Average` accuracy and `Seconds`, where they are known, from the JSON of the study `accuracy`."""
    found: dict[str, dict[str, float]] = {}
    for table, name in zip(report.get("tables") or (), ("Average", "Seconds"), strict=False):
        at = [column["name"] for column in table["columns"]].index(name)
        for row in table["rows"]:
            if row["values"][at] is not None:
                found.setdefault(row["label"], {})[name] = float(row["values"][at]["mean"])
    return found


def bundled() -> dict[str, Any]:
    """The measured table of the demo suite; empty where this installation has none."""
    if not BUNDLED.is_file():
        return {}
    found: dict[str, Any] = json.loads(BUNDLED.read_text("utf-8"))
    return found


def entries(report: Mapping[str, Any]) -> list[MethodCard]:
    """A card for every method of the registry, in groups by what it needs, the best measured first.

    Other suites count for the order of what is recommended where nothing is measured on a suite of one's own.
    """
    numbers, others = measured(report), everywhere.rows()
    if report and report["suite"] != bundled().get("suite"):
        others = {}
    gaps = {row["method"]: everywhere.behind(row, others) for row in others.values() if row["own"]}
    found = []
    for name in methods.names():
        method = methods.get(name)
        told = numbers.get(method.title, {})
        formula = (inspect.getdoc(type(method)) or "").split("\n\n")[0].replace("\n", " ")
        found.append(
            MethodCard(name, method.title, method.summary, formula, method.paper, method.needs.value, method.trains,
                  method.cost, method.single, method.role, _group(method), told.get("Average"),
                  told.get("Seconds"), gaps.get(name))
        )  # fmt: skip
    order = ["references", *(need.value for need in Need)]
    found.sort(key=lambda one: (order.index(one.group) if one.group in order else 9, -(one.accuracy or 0), one.title))
    return found


def _group(method: Method) -> str:
    if method.role.reference:
        return "references"
    return method.needs.value if method.single else "one model per task, or task modules"


def decisions(cards: Sequence[MethodCard]) -> list[Decision]:
    """What you have -> what to use. Which methods stand in a line follows from what they need and what they reached."""

    def best(need: Need | None = None, setting: str = "") -> tuple[str, ...]:
        """Methods that make one model, need just that (None: anything) and have the setting (empty: any); a yardstick
        only where nothing merges."""
        fitting = [one for one in cards if one.single and not one.role.reference]
        fitting = [one for one in fitting if need is None or one.needs == need.value]
        fitting = [one for one in fitting if not setting or setting in methods.get(one.name).Settings.model_fields]
        fitting = [one for one in fitting if one.role.competes] or fitting
        fitting.sort(key=lambda one: (-(one.accuracy or 0), gap(one)))
        # Without a measurement there is no best: then all of them stand there.
        if all(one.accuracy is None and one.behind is None for one in fitting):
            return tuple(one.title for one in fitting)
        # Where enough were measured on several suites, what only one suite tells of does not push any of them out.
        known = [one for one in fitting if one.behind is not None]
        chosen = known if len(known) >= 2 * SUGGESTED else fitting
        # What several suites show to be poor does not come before what only one suite tells of.
        return tuple(one.title for one in sorted(chosen[: 2 * SUGGESTED], key=gap)[:SUGGESTED])

    def gap(one: MethodCard) -> float:
        return math.inf if one.behind is None else one.behind

    experts = tuple(one.title for one in cards if one.role is Role.UPPER)
    several = tuple(one.title for one in cards if not one.single and not one.role.reference)
    grouped, soups = (tuple(one.title for one in cards if one.name == name) for name in ("grouped", "soup"))
    lines = [
        Decision("Checkpoints only", best(Need.NOTHING),
                 "A formula: takes seconds and needs no images. Try different λ with the study `scale`."),
        Decision("Unlabelled images of every task", best(Need.UNLABELLED),
                 "Learns λ, and sometimes more, from the images; takes minutes."),
        Decision("Several fine-tunes of one task", soups,
                 "Give each an entry in the suite with the same images and classes. The greedy recipe needs labels; "
                 "with `--set chosen_by=agreement` it needs none."),
        Decision("A few hundred labelled images per task", best(setting="objective"),
                 "Use `--set objective=cross_entropy` to learn from the labels."),
        Decision("Labelled training images", best(Need.TRAINING),
                 "Joint training: the benchmark that merging is measured against, and the most expensive option.",
                 always=False),
        Decision("The task of each image is known when the model is used", (*experts, *several),
                 "One model or module per task: needs more memory but keeps more accuracy."),
        Decision("The trust check before Start warns about a task", best(setting="objective"),
                 "Use `--set objective=expert_kl` to follow the experts' answers instead of minimising entropy."),
        Decision("Task vectors that point in opposing directions (negative cosine)", grouped,
                 "One model for each group of tasks that go well together; the page Similarity suggests the groups."),
    ]  # fmt: skip
    return [line for line in lines if line.use or line.always]


def markdown(report: Mapping[str, Any]) -> str:
    """The guide as a document (.github/METHODS.md)."""
    cards = entries(report)
    where = f"on the suite `{report['suite']}`" if report else "nowhere yet"
    quick = ", quick study" if report.get("quick") else ""
    told = (
        f"Average accuracy and seconds were measured {where}{quick} with the study `accuracy` (`--seeds 0 --json`)."
        if report
        else "No accuracies come with this installation. Run the study `accuracy`, and the page Studies shows what it "
        "measures."
    )
    lines = [
        "# Method guide",
        "",
        "Made by `python launch.py methods --guide`.",
        told,
        "",
        "## What you have, what to use",
        "",
        f"| what you have | what to use{', the best measured first' if report else ''} | how |",
        "|---|---|---|",
    ]
    lines += [f"| {one.have} | {', '.join(one.use) or '–'} | {one.how} |" for one in decisions(cards)]
    lines += everywhere.markdown()
    group = ""
    for card in cards:
        if card.group != group:
            group = card.group
            lines += ["", f"## {_heading(group)}"]
        seconds = "" if card.seconds is None else f" Measured: {card.seconds:.1f} s"
        lines += ["", f"### {card.title} (`{card.name}`)", "", card.summary, "", f"> {card.formula}", ""]
        lines += [f"- needs: {card.needs}", f"- cost: {card.cost}{seconds if report else ''}"]
        lines += [f"- trains: {card.trains}"] if card.trains != "nothing" else []
        lines += [f"- average accuracy {where}: {percent(card.accuracy)}"] if report else []
        lines.append(f"- {card.paper}")
    return "\n".join(lines) + "\n"


def _heading(group: str) -> str:
    return {"references": "References", Need.NOTHING.value: "Checkpoints only"}.get(group, f"With {group}").replace(
        "With one model", "One model"
    )
