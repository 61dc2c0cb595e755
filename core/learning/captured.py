"""A whole step as one CUDA graph: what the host launches by thousands of calls it then launches by one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import torch
from torch import Tensor

from core.errors import MergescopeError
from core.problem.merged import Measured

Drawn = Mapping[str, Tensor]
Step = Callable[[Drawn], Measured]
Replay = Callable[[], None]
WARM = 3
"""Calls before a step is recorded: libraries choose their kernels and make their workspaces in the first ones."""


def record(work: Callable[[], Measured]) -> tuple[Replay, Measured]:
    """Record a call as a CUDA graph, without carrying it out: what repeats it, and the tensors that its results are
    then in."""
    torch.cuda.empty_cache()  # What the calls before it used would stand beside that.
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        found = work()
    return graph.replay, found


class Captured:
    """Calls a step, and repeats a recording of it once that gives the same bits.

    What the step changes has to be `kept`, which lists it when asked; all else that it reads must stay where it lies.
    Where a step can't be recorded or the recording gives other bits, each is called as it is. `tell` is told `yes`, or
    why it is not repeated.
    """

    def __init__(self, step: Step, kept: Callable[[], list[Tensor]], tell: Callable[[str], None]) -> None:
        self._step, self._kept, self._tell = step, kept, tell
        self._calls = 0
        self._drawn = dict[str, Tensor]()
        self._found: tuple[Replay, Measured] | None = None

    def __call__(self, drawn: Drawn) -> Measured:
        """One step with what was drawn, which is copied."""
        self._calls += 1
        if self._found is not None:
            return self._repeated(drawn, *self._found)
        if self._calls != WARM + 1:
            return self._step(drawn)
        before = [tensor.clone() for tensor in self._kept()]
        plain = _copied(self._step(drawn))
        after = [tensor.clone() for tensor in self._kept()]
        self._restore(before)
        try:
            self._drawn = {task: chosen.clone() for task, chosen in drawn.items()}
            found = record(lambda: self._step(self._drawn))
            repeated = self._repeated(drawn, *found)
            pairs = [*zip(after, self._kept(), strict=True), (plain.values, repeated.values)]
            if all(torch.equal(one, other) for one, other in pairs):
                self._found = found
                self._tell("yes")
                return repeated
            self._tell("a recorded step gives other bits")
        except (RuntimeError, MergescopeError) as error:
            self._tell(f"a step can't be recorded: {str(error).splitlines()[0]}")
        self._restore(after)
        return plain

    def _repeated(self, drawn: Drawn, replay: Replay, found: Measured) -> Measured:
        for task, chosen in drawn.items():
            self._drawn[task].copy_(chosen)
        replay()
        return _copied(found)

    @torch.no_grad()
    def _restore(self, values: list[Tensor]) -> None:
        for tensor, value in zip(self._kept(), values, strict=True):
            tensor.copy_(value)


def _copied(measured: Measured) -> Measured:
    """What is read later, in memory of its own: the next step writes where it was."""
    return replace(measured, values=measured.values.clone(), finite=measured.finite.clone())
