"""What to think of a result: better or worse than where it began, and than what costs next to nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from core import remembered
from core.export.numbers import percent
from core.export.titles import title_of
from core.insight.advice import listed
from core.learning import starts
from core.problem.evaluate import cached
from core.problem.probe import Probe
from core.progress import Progress
from core.statistics import Evaluation, average_share, clearly_better
from core.step import Outcome

CHEAP = ("average", "task_arithmetic")
"""Rivals that every result is held against."""
GUIDED = "tsv_m"
"""The data-free method that the guide recommends (`core.studies.guide`); only what is learned is held against it, since
it may take longer than another formula."""


class Code(StrEnum):
    """What a verdict comes to, the worst first."""

    BELOW_BASE = "below base"
    BELOW_START = "below start"
    BELOW_RIVAL = "below a data-free method"
    FINE = "not worse"


@dataclass(frozen=True)
class Verdict:
    """A result beside its start, its base and methods that need no data, on the same images."""

    code: Code
    sentence: str
    measure: str
    """`accuracy` where all watched images have labels, else `agreement` with the experts."""
    images: int
    value: float
    """The result's, a fraction: the mean over tasks."""
    beside: Mapping[str, float]
    """`base`, `start` or a method's name -> its value on the same images."""
    remedy: Mapping[str, Any] | None = None
    """`method` that does better, where there is one."""
    gain: bool = True
    """False where no gain over the base can be seen."""

    def plain(self) -> dict[str, Any]:
        """As the report has it."""
        return asdict(self) | {"code": self.code.value, "beside": dict(self.beside)}


def rivals(probe: Probe, names: Sequence[str], progress: Progress) -> dict[str, list[Evaluation]]:
    """The base and these methods with their defaults on the reporting half; remembered on disk."""
    problem, found = probe.problem, dict[str, list[Evaluation]]()
    roles = ("base", *problem.tasks)  # How close the base is depends on the experts too.
    for name in ("base", *names):
        file = cached(problem, f"rival {name}", "\n".join(problem.tasks), probe.split, probe.size, roles)
        known = remembered.recall(file, lambda told: [Evaluation(**one) for one in told])
        if known is None:
            progress.start(f"Comparing with {_title(name)}", None)
            weights = problem.task_vectors.base if name == "base" else starts.made(problem, name)
            progress.finish()
            known = probe.report(Outcome.of(weights), progress)
            remembered.keep(file, [asdict(one) for one in known])
        found[name] = known
    return found


def judge(
    result: Sequence[Evaluation],
    others: Mapping[str, Sequence[Evaluation]],
    *,
    title: str,
    kept: int | None = None,
    last: int = 0,
    full: tuple[float, float] | None = None,
    drawn: Sequence[str] = (),
) -> Verdict | None:
    """The verdict on a result; `others` are `base`, perhaps `start`, and methods by name, on the same images.

    `full` are the average accuracies of result and base on all test images, where both are known: a result below its
    base by these is called so. Differences within one standard error count as none. Of the tasks `drawn` the
    steps could draw the watched images too, which is said. None where nothing was watched.
    """
    tasks = {one.task for one in result}
    others = {name: found for name, found in others.items() if {one.task for one in found} == tasks}
    if not result:
        return None
    labelled = all(one.accuracy is not None for one in result)
    measure = "accuracy" if labelled else "agreement"
    value = average_share(result, measure)
    beside = {name: average_share(found, measure) for name, found in others.items()}
    ahead = {n: v for n, v in beside.items() if clearly_better(others[n], result, measure)}
    best = max((n for n in ahead if n not in ("base", "start")), key=lambda n: ahead[n], default=None)
    code, below = Code.FINE, full is not None and full[0] < full[1]
    if "base" in ahead or below:
        code = Code.BELOW_BASE
    elif "start" in ahead:
        code = Code.BELOW_START
    elif best is not None:
        code = Code.BELOW_RIVAL
    images = sum(one.total for one in result)
    words = "accurate" if labelled else "in agreement with the experts"
    beaten = [name for name, found in others.items() if clearly_better(result, found, measure)]
    gain = "base" not in others or "base" in beaten
    parts = [_sentence(code, title, value, beside, ahead, beaten, words, images, full, gain)]
    if kept is not None and kept < last:
        parts.append(_kept(title, kept, last))
    if best is not None:
        # Where the sentence does not say it already.
        reaches = f"; it reaches {percent(ahead[best])} on the monitoring images" if below else ""
        parts.append(f"Run `{best}` instead{reaches}.")
    if drawn:
        of = "all tasks" if set(drawn) == tasks else ", ".join(drawn)
        parts.append(
            f"The steps may also have used the monitoring images of {of}, so the result may look better than it is."
        )
    remedy = None if best is None else {"method": best}
    return Verdict(code, " ".join(parts), measure, images, value, beside, remedy, gain)


def _sentence(
    code: Code, title: str, value: float, beside: Mapping[str, float], ahead: Mapping[str, float],
    beaten: Sequence[str], words: str, images: int, full: tuple[float, float] | None, gain: bool,
) -> str:  # fmt: skip
    about = f"{percent(value)} {words} on {images:,} monitoring images"
    about += f", {percent(full[0])} on all test images" if full is not None else ""
    if code is Code.BELOW_BASE and full is not None and full[0] < full[1]:
        own, base = full
        return f"Worse than the base: {percent(own)} accurate on all test images, against the base's {percent(base)}."
    if code is Code.FINE:
        groups = {"better than": beaten, "about as good as": [name for name in beside if name not in beaten]}
        told = "; ".join(f"{how} {listed([*map(_title, names)])}" for how, names in groups.items() if names)
        seen = f"{told[0].upper()}{told[1:]}: {about}." if told else f"{title} is {about}."
        return seen if gain else f"{seen} No gain over the base is visible."
    worse = [f"{_title(name)} ({percent(other)})" for name, other in ahead.items()]
    return f"Worse than {listed(worse)}: {about}."


def _kept(title: str, kept: int, last: int) -> str:
    if kept == 0:
        return f"{title} moved away from the experts from the start, so step 0 is kept and none of the {last} after it."
    return f"{title} moved away from the experts after step {kept} of {last}, so step {kept} is kept."


def _title(name: str) -> str:
    return {"base": "the base", "start": "its start"}.get(name) or title_of(name)
