"""RegMean: each linear layer is the least-squares compromise of the experts on their own inputs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from core.problem.method import Method, Need, Outcome, State, Step
from core.problem.problem import Problem
from core.settings import setting
from core.techniques.linear_maps import find
from core.techniques.moments import RegMeanSystem, StatisticsSettings, chosen, looked_at, moments
from core.techniques.tensorwise import PARTS, Parts


class RegMeanSettings(StatisticsSettings):
    """Settings of RegMean."""

    diagonal: float = setting(
        0.9, "What the off-diagonal second moments are multiplied with; 0 keeps the diagonal alone.",
        source="RegMean; FusionBench: 0.95", ge=0, le=1,
    )  # fmt: skip


class RegMean(Method[RegMeanSettings]):
    """W = W₀ + (Σ_k τ_k G_k)(Σ_k G_k)⁻¹ with G_k the second moments of the layer's input in expert k; else the mean."""

    name = "regmean"
    title = "RegMean"
    paper = (
        "Dataless Knowledge Fusion (Jin et al., ICLR 2023), equation 2 with scaled off-diagonals. Every matrix that "
        "activations are multiplied with takes part, also those inside attention and CLIP's final projection; inputs "
        "that never occur take the mean of the experts. Labels are not used."
    )
    summary = "Finds, layer by layer, the weights whose outputs differ least from those of all experts on their images."
    cost = "One forward pass over 256 images of each task and one linear system a layer: seconds to minutes."
    needs = Need.UNLABELLED
    Settings = RegMeanSettings

    def steps(self, problem: Problem, settings: RegMeanSettings, resume: State | None = None) -> Iterator[Step]:
        """One step a tenth of the images."""
        vectors, parts = problem.task_vectors, Parts()
        yield from parts.until(0)
        maps = {one.name: one for one in find(problem)}
        systems = {name: RegMeanSystem() for name in maps}
        for row, task in enumerate(vectors.tasks):
            images, _ = chosen(problem, task, settings)
            for name, gram in moments(problem, vectors.expert(task), images, set(maps)).items():
                systems[name].add(maps[name].rows(vectors.delta(name)[row]), gram, settings.diagonal)
            yield from parts.until((row + 1) / len(vectors.tasks) - 1e-3)
        merged = vectors.origin.clone()
        for name, span in zip(vectors.names, vectors.spans, strict=True):
            problem.tick()
            delta = maps[name].rows(systems[name].solve()) if name in maps else vectors.delta(name).to(merged).mean(0)
            merged[span] += delta.reshape(-1).to(merged)
        last = Step(PARTS, samples=looked_at(problem, settings))
        yield replace(last, outcome=Outcome.of(vectors.named(merged)))

    def total_steps(self, settings: RegMeanSettings) -> int:
        """The number of parts."""
        return PARTS
