"""RegMean++: RegMean block by block, on inputs that come through the blocks merged before."""

from __future__ import annotations

from collections.abc import Iterator

from core.insight.advice import by_depth
from core.methods.regmean import RegMeanSettings
from core.problem.grouping import block_of
from core.problem.method import Method, Need, Outcome, State, Step
from core.problem.problem import Problem
from core.techniques.linear_maps import find
from core.techniques.moments import RegMeanSystem, chosen, looked_at, moments
from core.techniques.tensorwise import PARTS, Parts


class RegMeanPP(Method[RegMeanSettings]):
    """As RegMean, with G_k measured in expert k's block behind the merged embedding and the merged earlier blocks."""

    name = "regmean_pp"
    title = "RegMean++"
    paper = (
        "RegMean++ (Nguyen et al., 2025): as RegMean, with inputs from the merged earlier blocks. CLIP's final "
        "projection, which the authors leave alone, is merged like a block of its own."
    )
    summary = "RegMean that knows what the merged model itself will feed into each layer."
    cost = "For each block a forward pass up to it, over 256 images of each task: minutes on a CPU for ViT-B/32."
    needs = Need.UNLABELLED
    Settings = RegMeanSettings

    def steps(self, problem: Problem, settings: RegMeanSettings, resume: State | None = None) -> Iterator[Step]:
        """One step a tenth of the blocks."""
        vectors, parts = problem.task_vectors, Parts()
        yield from parts.until(0)
        maps = {one.name: one for one in find(problem)}
        merged = vectors.origin.clone()
        tensors = {name: (at, span) for at, (name, span) in enumerate(zip(vectors.names, vectors.spans, strict=True))}
        blocks = by_depth(list(dict.fromkeys(block_of(name) for name in vectors.names)))
        open_tensors = set(vectors.names)
        for place, block in enumerate(blocks):
            own = [name for name in vectors.names if block_of(name) == block]
            systems = {name: RegMeanSystem() for name in own if name in maps}
            for row, task in enumerate(vectors.tasks if systems else ()):
                weights = merged.clone()
                for name in open_tensors:
                    weights[tensors[name][1]] += vectors.deltas[row, tensors[name][1]].to(merged)
                    vectors.passed(vectors.deltas[row, tensors[name][1]])
                images, _ = chosen(problem, task, settings)
                for name, gram in moments(problem, vectors.named(weights), images, set(systems)).items():
                    systems[name].add(maps[name].rows(vectors.delta(name)[row]), gram, settings.diagonal)
                yield from parts.until((place + (row + 1) / len(vectors.tasks)) / len(blocks) - 1e-3)
            for name in own:
                linear = name in systems
                delta = maps[name].rows(systems[name].solve()) if linear else vectors.delta(name).to(merged).mean(0)
                merged[tensors[name][1]] += delta.reshape(-1).to(merged)
            open_tensors -= set(own)
        yield from parts.until(1 - 1e-3)
        yield Step(PARTS, samples=looked_at(problem, settings), outcome=Outcome.of(vectors.named(merged)))

    def total_steps(self, settings: RegMeanSettings) -> int:
        """The number of parts."""
        return PARTS
