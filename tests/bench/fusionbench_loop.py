"""The loop of FusionBench's layer-wise AdaMerging around its own merged model."""

from __future__ import annotations

import argparse
import copy
import statistics
import time
from typing import Any

import torch
from fusion_bench.models.wrappers.layer_wise_fusion import LayerWiseMergedModel, get_layer_wise_weights

from core.encoders.building import build
from core.objectives.entropy import entropy
from core.problem.loading import load
from core.problem.problem import Problem
from core.suite.find import find


def loaded(options: argparse.Namespace) -> Problem:
    """The suite in float32, as FusionBench ships."""
    return load(find(str(options.suite)), device=options.device, precision="float32", deltas="float32")


def measure(problem: Problem, options: argparse.Namespace) -> dict[str, Any]:
    """Its steps on the same weights, images and heads: forward and backward per task, graph kept, then merge."""
    vectors = problem.task_vectors
    base = build(problem.encoder.arch, device="meta").visual
    base.load_state_dict({name: tensor.clone() for name, tensor in vectors.base.items()}, assign=True)
    experts = []
    for task in vectors.tasks:
        expert = copy.deepcopy(base)
        expert.load_state_dict(vectors.expert(task))
        experts.append(expert)
    base.requires_grad_(True)
    weights = get_layer_wise_weights(len(experts), len(vectors.names), 0.3)
    model = LayerWiseMergedModel(weights.to(problem.device), base, experts)
    del expert, experts
    object.__setattr__(vectors, "deltas", vectors.deltas[:, :0])  # Its own copies are all it needs.
    optimizer = torch.optim.Adam([model.merge_weight], lr=1e-3)
    images = {task: problem.encoder.prepare(problem.images(task)[: options.batch]) for task in vectors.tasks}
    model.train()
    model.merge_weights()
    seconds = []
    for _ in range(options.steps + 1):
        begin = time.perf_counter()
        for task in vectors.tasks:
            features = torch.nn.functional.normalize(model(images[task]), dim=-1)
            entropy(features @ problem.heads[task].T).mean().backward(retain_graph=True)
        optimizer.step()
        optimizer.zero_grad()
        model.merge_weights()
        model.merge_weight.sum().item()  # Waits for the device.
        seconds.append(time.perf_counter() - begin)
    return {"step_seconds": round(statistics.median(seconds[1:]), 4)}
