"""Learning step by step: the loop, the check before each update, and Adam with a state that can be stored."""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from core.errors import NonFinite
from core.learning.batches import Batches
from core.learning.made import Made, read
from core.learning.watch import Watch
from core.objectives import Objective
from core.problem.merged import Measured
from core.problem.problem import Problem
from core.step import Coefficients, Outcome, State, Step, Weights

_MOMENTS = ("exp_avg", "exp_avg_sq")
READ_EVERY = 0.25
"""Seconds of steps that a device is asked for at most before the host reads what they came to."""


class Trainer(ABC):
    """Something that learns in so many steps; `carry_out` takes it through them."""

    ahead = 1
    """Steps that may be made at most before the host reads the first of them: more where a step reads nothing."""
    keep_every = 1
    """Steps between two states from which a stopped run can go on: large ones are not written after each step."""
    images: int
    """Images of the step just made, over all tasks."""

    def __init__(self, steps: int, watch: Watch | None = None) -> None:
        self._last, self.watch = steps, watch
        self.number = 0
        """That of the step just made."""
        self._pace = math.inf
        """Seconds that a step took lately."""

    @abstractmethod
    def step(self) -> Measured:
        """Make an update; returns the losses before it. A loss that would spoil it raises `NonFinite`."""

    @abstractmethod
    def state(self) -> State:
        """What the next step depends on beside its number, in memory of its own."""

    @abstractmethod
    def restore(self, state: State) -> None:
        """Go on after the step that `state` was taken at; `number` is that step's."""

    def mixed(self) -> Coefficients | None:
        """λ as merged; None where it does not make the model."""
        return None

    def weights(self) -> Callable[[], Weights] | None:
        """Computes the merged weights as they are now, whenever it is called; None where they are not one model."""
        return None

    def outcome(self) -> Outcome:
        """What the step just made has made: the merged weights."""
        weights = self.weights()
        assert weights is not None
        return Outcome.of(weights())

    def release(self) -> None:  # noqa: B027  # Most have nothing to give back.
        """Give back the memory that only further steps would need."""

    def finished(self) -> bool:
        """Whether all steps are made, or the watch's patience has run out."""
        return self.number == self._last or (self.watch is not None and self.watch.over)

    def require_sound(self, made: Made) -> None:
        """Raise `NonFinite` for a step that is not; most have looked before they changed anything."""
        assert made.sound

    def block(self) -> list[Made]:
        """One step, or as many as the device is asked for at once: up to one after which the model is looked at."""
        most = min(self.ahead, max(1, int(READ_EVERY / self._pace)))
        made: list[Made] = []
        while len(made) < most and not (made and (self.finished() or self._looks())):
            measured = self.step()
            self.number += 1
            made.append(self._made(measured))
        return made

    def records(self, begin: float, block: Sequence[Made] | None = None) -> Iterator[Step]:
        """The steps just made as the runner stores them; they began at `begin` of `time.perf_counter`. Without a block
        it is step 0, or the last one again."""
        made = read(block or [self._made(None)])
        self._pace = (time.perf_counter() - begin) / len(made)
        for one, then in zip(made, [*made[1:], None], strict=True):
            if not one.sound:
                self.require_sound(one)
            step = Step(
                number=one.number,
                losses=one.measured.losses if one.measured else {},
                entropies=one.measured.entropies if one.measured else {},
                seconds=self._pace,
                samples=self.images if one.measured else 0,
                coefficients=one.coefficients,
                weights=one.weights,
                more=then is not None and then.sound,
            )
            yield step if then is not None else self._last_of_block(step)

    def _last_of_block(self, step: Step) -> Step:
        """With the state to go on from, and what the model achieves where it is looked at."""
        begin, watch, watched = time.perf_counter(), self.watch, {}
        if watch is not None:
            if step.losses:
                watch.note(step.losses)
            if self.finished() or self._looks():
                watched = watch.look(self.number, self.outcome, self.state)
        stored = self.finished() or self.number % self.keep_every == 0
        state = {"number": torch.tensor(self.number), **self.state()} if stored else None
        if state is not None and watch is not None:
            state |= watch.state()
        step = replace(step, state=(lambda: state) if state is not None else None, watched=watched)
        if self.finished():
            step = self._concluded(step)
        return replace(step, seconds=step.seconds + time.perf_counter() - begin)

    def _looks(self) -> bool:
        return self.watch is not None and self.watch.looks(self.number)

    def _made(self, measured: Measured | None) -> Made:
        return Made(self.number, measured, self.mixed(), self.weights())

    def _concluded(self, step: Step) -> Step:
        """The last step with the model that is kept."""
        self.release()
        if self.watch is None:
            return replace(step, outcome=self.outcome())
        kept = step.number if self.watch.kept is None else self.watch.kept
        if kept != step.number:
            self.number = kept
            self.restore(self.watch.best)
        outcome = self.outcome()
        self.number = step.number
        return replace(step, outcome=outcome, kept=kept, watched={**step.watched, **self.watch.report(outcome)})


class Drawing(Trainer):
    """Learns by Adam from one batch of every task's images per step."""

    _adam: Adam
    """Of what is learned; made by the subclass."""

    def __init__(self, problem: Problem, settings: Any, objective: Objective, watch: Watch | None = None) -> None:
        """`settings` say `seed`, `steps`, `batch` and `adapt_on`, and `fraction` and `once` where they have these."""
        super().__init__(settings.steps, watch)
        self._problem, self._objective = problem, objective
        self._batches = Batches(
            problem, objective, split=settings.adapt_on, batch=settings.batch, seed=settings.seed, steps=settings.steps,
            fraction=getattr(settings, "fraction", 1.0), once=getattr(settings, "once", False),
            without=None if watch is None else watch.apart,
        )  # fmt: skip
        self._last = self._batches.steps
        self.images = self._batches.images_per_step

    def state(self) -> State:
        return {**self._adam.state(), **self._batches.state()}

    def restore(self, state: State) -> None:
        self._adam.restore(state, self.number)
        self._batches.restore(state)


def carry_out(trainer: Trainer, resume: State | None) -> Iterator[Step]:
    """Yield the steps of a trainer from its beginning, or after the step that `resume` was taken at."""
    begin = time.perf_counter()
    if resume is not None:
        trainer.number = int(resume["number"])
        trainer.restore(resume)
        if trainer.watch is not None:
            trainer.watch.restore(resume)
    if resume is None or trainer.finished():  # Stopped after the last step: only its outcome is missing.
        yield from trainer.records(begin)
    while not trainer.finished():
        begin = time.perf_counter()
        yield from trainer.records(begin, trainer.block())


def finite(*gradients: Tensor) -> Tensor:
    """Whether no number in any of them is NaN or infinite, as a tensor."""
    return torch.stack([gradient.isfinite().all() for gradient in gradients]).all()


def require_finite(
    step: int, losses: Mapping[str, float], sound: Tensor, kept: str, remedy: str = "Lower `lr`"
) -> None:
    """Raise `NonFinite` where a loss is NaN or infinite, or the gradients are not `sound`; it spares what is `kept`."""
    bad = [task for task, loss in losses.items() if not math.isfinite(loss)]
    if bad or not sound:
        raise NonFinite(
            f"Step {step}: the loss of {', '.join(bad) or 'some task'} or its gradient is NaN or infinite. {kept} kept "
            f"as after the step before. {remedy}, or look at `similarity`."
        )


class Adam:
    """AdamW, betas (0.9, 0.999), over named leaf tensors that are changed in place; without weight decay it is Adam."""

    def __init__(
        self, parameters: Mapping[str, Tensor], lr: float, weight_decay: float = 0.0, *, recorded: bool = False
    ) -> None:
        """`recorded`: the count of steps lies on the device too, so that a recorded step counts."""
        self.parameters, tensors = dict(parameters), list(parameters.values())
        self._adam = torch.optim.AdamW(
            tensors, lr=lr, betas=(0.9, 0.999), weight_decay=weight_decay, capturable=recorded
        )
        self._recorded = recorded
        if recorded:
            self._begin(0, {})

    def step(self, gradients: Mapping[str, Tensor], lr: float | None = None) -> None:
        """One update of every parameter, at another learning rate from here on where one is given."""
        if lr is not None:
            self._adam.param_groups[0]["lr"] = lr
        for name, parameter in self.parameters.items():
            parameter.grad = gradients[name].to(parameter)
        self._adam.step()
        self._adam.zero_grad()

    def state(self) -> State:
        """Copies of parameters and moments; those of `raw` and `theta` are called plainly `exp_avg`, `exp_avg_sq`."""
        found: dict[str, Tensor] = {}
        for name, parameter in self.parameters.items():
            known = self._adam.state.get(parameter) or {}
            found[name] = parameter.detach().clone()
            for moment in _MOMENTS:
                value = known.get(moment)
                found[_key(name, moment)] = torch.zeros_like(parameter) if value is None else value.clone()
        return found

    @torch.no_grad()
    def restore(self, state: State, steps: int) -> None:
        """Go on as after `steps` updates."""
        for name, parameter in self.parameters.items():
            parameter.copy_(state[name])
        self._begin(steps, state)

    def _begin(self, steps: int, state: State) -> None:
        for name, parameter in self.parameters.items():
            known = {moment: state.get(_key(name, moment)) for moment in _MOMENTS}
            moments = {
                moment: torch.zeros_like(parameter) if value is None else value.to(parameter, copy=True)
                for moment, value in known.items()
            }
            # PyTorch's own count would be a float32, in which 1 − 0.999^t has but four digits at first.
            count = torch.tensor(float(steps))
            count = count.to(parameter.device, torch.float64) if self._recorded else count
            self._adam.state[parameter] = {"step": count, **moments}

    def tensors(self) -> list[Tensor]:
        """Everything that a step changes."""
        return [*self.parameters.values(), *(value for known in self._adam.state.values() for value in known.values())]


def _key(name: str, moment: str) -> str:
    return moment if name in ("raw", "theta") else f"{name}.{moment}"
