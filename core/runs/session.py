"""One uninterrupted stretch of a run: steps into the store, then accuracies, merged model and report."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from typing import Any, cast

from core import measures
from core.control import Control
from core.errors import NonFinite
from core.export.report import averaged, build
from core.insight.findings import findings
from core.problem.evaluate import evaluate, evaluate_everywhere, references
from core.problem.memory import peak_memory_mb
from core.problem.probe import Probe
from core.problem.problem import Problem
from core.progress import Progress
from core.runs import model
from core.runs.spec import RunSpec
from core.runs.verdict import CHEAP, GUIDED, judge, rivals
from core.statistics import Evaluation, Half, mean
from core.step import Form, Outcome, State, Step
from core.store import EvaluationRecord, RunRecord, Store

SAMPLE = 128
"""Images of each task that accuracy on the way is measured on."""


class Session:
    """Made and used by `core.runs.runner.execute`."""

    def __init__(
        self,
        store: Store,
        run_id: str,
        problem: Problem,
        spec: RunSpec,
        control: Control,
        progress: Progress,
        on_step: Callable[[Step], None] | None,
    ) -> None:
        self._store, self._id, self._problem, self._spec = store, run_id, problem, spec
        self._control, self._progress, self._on_step = control, progress, on_step
        self._noted: dict[str, Any] = {"micro_batch": problem.micro_batch, "captured": problem.captured}
        self._paused = 0.0
        """Seconds that the steps being taken in have waited, and that are not taken off yet."""

    def steps(self, state: tuple[int, State] | None) -> Outcome:
        """Record every step the method yields; returns what it made."""
        done, resume = state if state is not None else (0, None)
        outcome, method, every = None, self._spec.method, self._spec.execution.evaluate_every
        self._counting(done)
        with closing(cast("Any", method.steps(self._problem, self._spec.settings, resume))) as generator:
            for block in self._blocks(generator):
                self._store.record(self._id, *block)
                self._note_execution()
                for step in block:
                    if self._on_step is not None:
                        self._on_step(step)
                    self._progress.advance(step.number - done)
                    done, outcome = step.number, step.outcome or outcome
                    if every and step.number % every == 0 and step.outcome is None:
                        self._sample(step)
                        self._counting(done)
        self._progress.finish()
        if outcome is None:
            raise RuntimeError(f"method {method.name} ended without an outcome")
        return outcome

    def conclude(self, outcome: Outcome) -> dict[str, Any]:
        """Evaluate on every image of the test split, store the merged model, then the report."""
        store, run_id, problem = self._store, self._id, self._problem
        probe, known = Probe.of(problem, self._spec.watched_on), references(problem, progress=self._progress)
        found = evaluate_everywhere(problem, outcome, self._progress)
        record = store.run(run_id)
        store.add_evaluation(run_id, record.model_step, found, full=True)
        if record.kept is None:  # Nothing was watched on the way.
            seen = probe.report(outcome, self._progress)
            store.add_evaluation(run_id, record.model_step, seen, half=Half.REPORTING)
        steps = {one.number: one for one in store.steps(run_id, coefficients=False)}
        steps |= {one.number: one for one in store.steps(run_id, since=record.model_step - 1, limit=1)}
        watched = store.watched(run_id)
        report = build(record, [*steps.values()], found, known, peak_memory_mb(), outcome.form.value, watched)
        report |= {"chosen": dict(outcome.chosen)} if outcome.chosen else {}
        drawn = self._drawn(record, probe)
        report |= {"watched": {"split": probe.split, "images": probe.counts, "drawn": drawn}}
        report |= self._verdict(record, probe, watched, report)
        report |= {} if record.execution.check is None else {"check": {"warnings": list(record.execution.check)}}
        report |= {"precision_reason": problem.precision_reason} if problem.precision_reason else {}
        report |= {"data": {task: dict(facts) for task, facts in problem.data.items()}, "notes": list(problem.notes)}
        report |= {"findings": [finding.plain() for finding in findings(problem, known, self._progress)]}
        report |= self._measured(record, outcome, found)
        if outcome.form is Form.ONE and record.execution.keep_model:
            self._progress.start("Storing the merged model", None)
            model.keep(store, record, problem, outcome)
            self._progress.finish()
        store.finish(run_id, report)
        return report

    def _drawn(self, record: RunRecord, probe: Probe) -> list[str]:
        """Tasks whose watched images the steps may have drawn as well."""
        if record.kept is None:
            return []
        return list(probe.images if getattr(self._spec.settings, "keep_step", "") == "last" else probe.shared)

    def _verdict(
        self, record: RunRecord, probe: Probe, watched: Sequence[EvaluationRecord], report: Mapping[str, Any]
    ) -> dict[str, Any]:
        """What to think of the result; nothing for references and yardsticks, and where nothing could be watched."""
        method = self._spec.method
        own = [one for one in watched if one.half is Half.REPORTING and one.step == record.model_step]
        if not own or not method.role.competes:
            return {}
        names = [name for name in (*CHEAP, *([GUIDED] if record.steps else [])) if name != method.name]
        others: dict[str, Sequence[Evaluation]] = dict(rivals(probe, names, self._progress))
        if record.steps and (start := [one for one in watched if one.half is Half.REPORTING and one.step == 0]):
            others["start"] = start
        pairs = [(task["accuracy"], task["base_accuracy"]) for task in averaged(report["tasks"], record.tasks)]
        here, base = (mean(list(values)) for values in zip(*pairs, strict=True)) if pairs else (None, None)
        full = None if here is None or base is None else (here, base)
        drawn = report["watched"]["drawn"]
        found = judge(own, others, title=method.title, kept=record.kept, last=record.steps_done, full=full, drawn=drawn)
        return {} if found is None else {"verdict": found.plain()}

    def _measured(self, record: RunRecord, outcome: Outcome, found: Sequence[Evaluation]) -> dict[str, Any]:
        """What the run was asked to measure beside what all are, by measure."""
        wanted = record.execution.measures
        if not wanted:
            return {}
        spec, steps = self._spec, partial(self._store.steps, self._id)
        watched = self._store.watched(self._id)
        facts = (self._problem, spec.method, spec.settings, outcome, record.groups, steps, watched, found)
        subject = measures.Subject(*facts)
        return {"measured": {one["name"]: measures.get(one["name"]).measure(subject, one) for one in wanted}}

    def _blocks(self, generator: Any) -> Iterator[list[Step]]:
        """The steps, those together that were made together."""
        block: list[Step] = []
        while (step := self._next(generator)) is not None:
            block.append(step)
            if not step.more:
                yield block
                block = []

    def _next(self, generator: Any) -> Step | None:
        """The next step, timed by a monotonic clock without pauses, and checked."""
        self._problem.tick()
        begin, waited = time.perf_counter(), self._control.paused_seconds
        step: Step | None = next(generator, None)
        if step is None:
            return None
        elapsed = step.seconds or time.perf_counter() - begin
        # Steps that were made together share the time that they waited.
        self._paused += self._control.paused_seconds - waited
        spent = min(self._paused, elapsed)
        self._paused = self._paused - spent if step.more else 0.0
        _require_finite(step)
        return replace(step, seconds=elapsed - spent)

    def _counting(self, done: int) -> None:
        self._progress.start(self._spec.method.title, self._spec.method.total_steps(self._spec.settings) or None)
        self._progress.advance(done)

    def _sample(self, step: Step) -> None:
        if step.weights is None:
            return
        problem, weights = self._problem, step.weights()
        images = sum(min(SAMPLE, len(problem.split(task, "test"))) for task in problem.tasks)
        self._progress.start("Measuring accuracy on a sample, image", images)
        found = [evaluate(problem, weights, task, limit=SAMPLE, progress=self._progress) for task in problem.tasks]
        self._progress.finish()
        self._store.add_evaluation(self._id, step.number, found, full=False)

    def _note_execution(self) -> None:
        """What turned out on the way: another micro-batch, since memory ran out, and whether steps were recorded."""
        found: dict[str, Any] = {"micro_batch": self._problem.micro_batch, "captured": self._problem.captured}
        if found != self._noted:
            self._noted = found
            known = self._store.run(self._id).execution
            self._store.describe(self._id, execution=replace(known, **found).plain())


def _require_finite(step: Step) -> None:
    for task, loss in (*step.losses.items(), *step.entropies.items()):
        if not math.isfinite(loss):
            raise NonFinite(
                f"The loss of `{task}` should be finite. Found {loss} at step {step.number}. The last good step is "
                "kept; lower `lr`, or check that task's images and expert."
            )
    if step.coefficients is not None and not step.coefficients.values.isfinite().all():
        raise NonFinite(f"λ should be finite. Found NaN or infinity at step {step.number}. Lower `lr`.")
