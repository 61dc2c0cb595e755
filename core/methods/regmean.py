"""RegMean: each linear layer is the least-squares compromise of the experts on their own inputs."""

from __future__ import annotations

from collections.abc import Generator, Sequence

from core.problem.method import Outcome, Problem
from core.problem.packed import numbers
from core.settings import setting
from core.techniques.linear_maps import find
from core.techniques.moments import RegMeanSystem, Statistical, StatisticsSettings, chosen, moments


class RegMeanSettings(StatisticsSettings):
    """Settings of RegMean."""

    diagonal: float = setting(
        0.9, "Factor on the off-diagonal second moments; 0 keeps only the diagonal.",
        source="RegMean; FusionBench: 0.95", ge=0, le=1,
    )  # fmt: skip


class RegMean(Statistical[RegMeanSettings]):
    """W = W₀ + (Σ_k τ_k G_k)(Σ_k G_k)⁻¹ with G_k the second moments of the layer's input in expert k; else the mean."""

    title = "RegMean"
    paper = (
        "Dataless Knowledge Fusion (Jin et al., ICLR 2023), equation 2 with scaled off-diagonals. It covers every "
        "matrix that activations are multiplied by, including those inside attention and CLIP's final projection; "
        "inputs that never occur take the mean of the experts. Labels are not used."
    )
    summary = (
        "Finds, layer by layer, the weights whose outputs are closest to those of all the experts on their own images."
    )
    cost = "One forward pass over 256 images of each task and one linear system per layer: seconds to minutes."
    Settings = RegMeanSettings

    def blocks(self, names: Sequence[str]) -> list[list[str]]:
        """Parameter tensors that are merged together, part after part; here all at once."""
        return [list(names)]

    def work(self, problem: Problem, settings: RegMeanSettings) -> Generator[float, None, Outcome]:
        """Block after block, each with the inputs that it gets behind those that are merged already."""
        vectors, maps = problem.task_vectors, {one.name: one for one in find(problem)}
        merged, spans = vectors.origin.clone(), dict(zip(vectors.names, vectors.spans, strict=True))
        base, blocks, open_tensors = vectors.base, self.blocks(vectors.names), set(vectors.names)
        for place, own in enumerate(blocks):
            systems = {name: RegMeanSystem() for name in own if name in maps}
            for row, task in enumerate(vectors.tasks if systems else ()):
                weights = merged.clone()
                for span in map(spans.__getitem__, open_tensors):
                    weights[span] += vectors.deltas[row, span].to(merged)
                    vectors.passed(vectors.deltas[row, span])
                # Whole experts have their own buffers; those of a model that is partly merged are the base's.
                buffers = vectors.own.get(task, {}) if len(blocks) == 1 else {}
                images, _ = chosen(problem, task, settings)
                grams = moments(problem, vectors.named(weights) | dict(buffers), images, set(systems))
                for name, gram in grams.items():
                    tau = numbers(vectors.deltas[row, spans[name]]).view_as(base[name])
                    systems[name].add(maps[name].rows(tau), gram, settings.diagonal)
                yield (place + (row + 1) / len(vectors.tasks)) / len(blocks)
            for name in own:
                problem.tick()
                linear = name in systems
                delta = maps[name].rows(systems[name].solve()) if linear else vectors.delta(name).to(merged).mean(0)
                merged[spans[name]] += delta.reshape(-1).to(merged)
            open_tensors -= set(own)
        return Outcome.of(vectors.named(merged))
