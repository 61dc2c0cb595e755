"""The merged model as a pure function of λ, and the exact gradient of a loss back to λ.

Merge once on detached weights; one ordinary forward and backward over all tasks' batches gives dL/dθ; then
dL/dλ[g, k] = Σ over the group's tensors of ⟨dL/dθ, τ_k⟩. No autograd graph runs through the merge, so neither memory
nor time grows with the number of tasks beyond one matrix-vector product.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from core.encoders.encoder import Encoder
from core.encoders.linear import logits as linear
from core.objectives import Objective
from core.objectives.entropy import entropy
from core.problem.mixture import Mixture
from core.problem.problem import Problem
from core.problem.task_vectors import TaskVectors


@dataclass(frozen=True)
class Batch:
    """One task's images of one step."""

    task: str
    images: Tensor
    """uint8 `[B, H, W, 3]`."""
    target: Tensor | None = None
    """What the objective compares with: labels `[B]` or the expert's logits `[B, C]`."""


@dataclass(frozen=True)
class Measured:
    """Loss, entropy and gradient of one set of batches at one λ. All tensors lie where `Problem.small` says."""

    tasks: tuple[str, ...]
    values: Tensor
    """Losses and entropies, means over each task's batch in nats, float64 `[2, tasks]`; what is minimised is the sum of
    the losses."""
    gradient: Tensor = field(default_factory=lambda: torch.zeros(0))
    """dL/dλ `[groups, tasks]`, where λ is what was merged (after a clamp); empty where λ is not what is learned."""
    predictions: dict[str, Tensor] = field(default_factory=dict)
    """Task -> mean of the predicted probabilities over its batch, `[classes]`."""
    finite: Tensor = field(default_factory=lambda: torch.ones((), dtype=torch.bool))
    """Whether no gradient that the optimiser gets is NaN or infinite, where that is known."""

    @staticmethod
    def of(sums: Mapping[str, Sums], gradient: Tensor | None = None) -> Measured:
        """What a pass found, with the gradient that was made of its dL/dθ."""
        gradient = torch.zeros(0) if gradient is None else gradient
        values = torch.stack([found.values for found in sums.values()], 1)
        return Measured(tuple(sums), values, gradient, {task: found.predictions for task, found in sums.items()})

    @property
    def losses(self) -> dict[str, float]:
        """Task -> mean loss. Reading it waits until the device has come so far; so with `entropies`."""
        return dict(zip(self.tasks, self.values[0].tolist(), strict=True))

    @property
    def entropies(self) -> dict[str, float]:
        """Task -> mean entropy of the predictions, whatever the objective."""
        return dict(zip(self.tasks, self.values[1].tolist(), strict=True))


@dataclass
class Sums:
    """One task's loss, entropy and predictions, summed over micro-batches."""

    values: Tensor
    """Mean loss and mean entropy of the batch, float64 `[2]`."""
    predictions: Tensor
    """Mean of the predicted probabilities, float64 `[classes]`."""


class EncoderGradient:
    """A forward and backward pass of the image encoder; buffers for weights and gradient are used again.

    `together` adds the tensors' gradients after a backward pass, with few kernels for all; else each is added and let
    go of at once, which takes less memory. None: as the device likes it.
    """

    def __init__(self, problem: Problem, vectors: TaskVectors, together: bool | None = None) -> None:
        self._problem, self._names, self._spread = problem, vectors.names, vectors.spread
        self._together = problem.apart if together is None else together
        narrow = problem.precision == "bfloat16"
        self.weights = torch.empty_like(vectors.origin)
        """θ as one vector `[D]`: write it before each pass, which may overwrite it."""
        self._spent: int | None = None
        self.gradient = self.weights if narrow else torch.empty_like(vectors.origin)
        """dL/dθ as one vector `[D]` after a pass."""
        self._given, self._parts = vectors.named(self.weights), vectors.named(self.gradient)
        # Autocast rounds matrices to bfloat16 before it uses them, again for every micro-batch. Rounded once they take
        # half the memory, and what held them unrounded is free for the gradient.
        self._leaves = dict(self._given)
        self._unseen: set[str] = set()
        for name in vectors.names:
            weights = self._given[name]
            leaf = self._leaves[name] = (_narrowed(weights) if narrow else weights.detach()).requires_grad_()
            if not self._together:
                leaf.register_post_accumulate_grad_hook(_adder(self._parts[name], name, self._unseen, problem))

    def run(self, batches: Sequence[Batch], objective: Objective) -> dict[str, Sums]:
        """Task -> sums at `weights`; leaves the gradient of the summed losses in `gradient`.

        Images are pushed through in micro-batches; since losses are means over samples this is exact. When memory runs
        out the micro-batch is halved, and stays so. Raises what `problem.tick` raises.
        """
        if self.weights._version == self._spent:
            raise RuntimeError("`weights` should be written before each pass. Found them as the last pass left them.")
        own, joined = self._spread(self._problem.heads, self.weights, batches, objective)
        count = sum(len(batch.images) for batch in own)
        if self.gradient is self.weights:
            self._each(torch._foreach_copy_, self._leaves, self._given, self._names)
        sums = self._problem.within_memory(count, lambda size: self._accumulate(own, objective, size))
        sums = joined(self.gradient, sums)
        self._spent = self.weights._version
        return sums

    def _accumulate(self, batches: Sequence[Batch], objective: Objective, size: int) -> dict[str, Sums]:
        self._unseen.update(self._names)
        found = accumulate(self._problem, self._problem.encoder, self._leaves, batches, objective, size, self._backward)
        for name in self._unseen:
            self._parts[name].zero_()
        return found

    def _backward(self, total: Tensor) -> None:
        try:
            total.backward()
            gradients = {n: leaf.grad for n in self._names if (leaf := self._leaves[n]).grad is not None}
            self._each(torch._foreach_copy_, self._parts, gradients, gradients.keys() & self._unseen)
            self._each(torch._foreach_add_, self._parts, gradients, gradients.keys() - self._unseen)
            self._unseen.difference_update(gradients)
        finally:  # Out of memory half-way too.
            for name in self._names:
                self._leaves[name].grad = None

    @torch.no_grad()
    def _each(
        self, work: Callable[..., object], into: Mapping[str, Tensor], other: Mapping[str, Tensor], names: Iterable[str]
    ) -> None:
        """`work` on the tensors of one format after those of the other: with mixed ones it is a kernel per tensor."""
        for narrow in (False, True):
            chosen = [n for n in names if (self._leaves[n].dtype == torch.bfloat16) == narrow]
            if chosen:
                work([into[n] for n in chosen], [other[n] for n in chosen])


def accumulate(
    problem: Problem,
    encoder: Encoder,
    weights: Mapping[str, Tensor],
    batches: Sequence[Batch],
    objective: Objective,
    size: int,
    backward: Callable[[Tensor], None] = Tensor.backward,
) -> dict[str, Sums]:
    """Task -> sums at `weights`; the gradient of the summed losses is added to `.grad` of those that require one.

    `size` images at most are pushed through together.
    """
    parts: list[tuple[str, Tensor]] = []
    for pieces in _micro_batches(batches, size):
        problem.tick()
        prepared = encoder.prepare(torch.cat([encoder.near(piece.images) for piece, _ in pieces]))
        with encoder.ticking(problem.tick):
            features = encoder.features(weights, prepared)
        total = features.new_zeros(())
        for (piece, share), own in zip(pieces, features.split([len(p.images) for p, _ in pieces]), strict=True):
            logits = linear(own, problem.heads[piece.task])
            target = encoder.near(piece.target) if piece.target is not None else None
            loss = objective(logits, target).sum() * share
            total = total + loss
            logits = logits.detach()
            found = (loss.detach()[None], entropy(logits).sum()[None] * share, logits.softmax(-1).sum(0) * share)
            parts.append((piece.task, torch.cat(found)))
        backward(total)
    read = torch.cat([part for _, part in parts]).to(problem.small).double().split([len(part) for _, part in parts])
    sums: dict[str, Tensor] = {}
    for (task, _), part in zip(parts, read, strict=True):
        sums[task] = sums[task] + part if task in sums else part
    return {task: Sums(found[:2], found[2:]) for task, found in sums.items()}


def _narrowed(weights: Tensor) -> Tensor:
    """Memory for weights as autocast uses them: matrices in bfloat16, vectors as they are."""
    return torch.empty_like(weights, dtype=torch.bfloat16 if weights.dim() > 1 else weights.dtype)


def _adder(total: Tensor, name: str, unseen: set[str], problem: Problem) -> Callable[[Tensor], None]:
    """Adds a leaf's gradient to `total` in its precision, and lets go of it. Holds no leaf: it could not be freed."""

    def add(leaf: Tensor) -> None:
        gradient, leaf.grad = leaf.grad, None
        problem.tick()
        assert gradient is not None
        if name in unseen:
            total.copy_(gradient)
            unseen.discard(name)
        else:
            total.add_(gradient)

    return add


class MergedModel:
    """Losses of a mixture, and their gradient with respect to its λ; buffers are used again."""

    def __init__(self, problem: Problem, mixture: Mixture) -> None:
        self._vectors, self._grouping, self._small = mixture.vectors, mixture.grouping, problem.small
        self._pass = EncoderGradient(problem, mixture.vectors)

    def measure(self, coefficients: Tensor, batches: Sequence[Batch], objective: Objective) -> Measured:
        """Losses of the batches at λ `[groups, tasks]` and their exact gradient with respect to it."""
        with torch.no_grad():
            self._vectors.combine(coefficients, self._grouping.row_of, out=self._pass.weights)
        sums = self._pass.run(batches, objective)
        rows = len(self._grouping.groups)
        gradient = self._vectors.contract(self._pass.gradient, self._grouping.row_of, rows)
        return Measured.of(sums, gradient.to(self._small))


def _micro_batches(batches: Sequence[Batch], size: int) -> list[list[tuple[Batch, float]]]:
    """Cut the batches, laid end to end, into groups of at most `size` images; each piece with 1 / batch length."""
    groups: list[list[tuple[Batch, float]]] = [[]]
    room = size
    for batch in batches:
        begin, count = 0, len(batch.images)
        while begin < count:
            if room == 0:
                groups.append([])
                room = size
            end = min(count, begin + room)
            target = None if batch.target is None else batch.target[begin:end]
            groups[-1].append((Batch(batch.task, batch.images[begin:end], target), 1 / count))
            room -= end - begin
            begin = end
    return groups


def merge(vectors: TaskVectors, coefficients: Mapping[str, float]) -> dict[str, Tensor]:
    """θ₀ + Σ_k λ_k τ_k with one λ per task, as named tensors."""
    row = vectors.origin.new_tensor([[coefficients[task] for task in vectors.tasks]])
    return Mixture.of(vectors, "task").weights(row)
