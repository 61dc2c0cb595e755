"""Stage `data`: all pictures of all tasks and the pre-training mix, without twins across splits."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from .drawn import flags, glyphs, produce
from .generic import generic
from .photos import satellite
from .samples import SPLITS, Sample, at_most, digest
from .tasks import TASKS, Task
from .twins import contact_sheet, without

# Pictures kept of each split, and the least of a class.
TOTAL = {"train": 5000, "held-out": 400, "test": 640}
LEAST = {"train": 1, "held-out": 20, "test": 40}


def collect(work: Path, task: Task) -> dict[str, list[Sample]]:
    """Every picture of a task, by split, before twins are removed."""
    rng = np.random.default_rng(digest(task.name) % 2**32)
    if task.name == "satellite":
        return satellite(work, task)
    if task.name == "flags":
        return flags(work, task, rng)
    if task.name == "produce":
        return produce(work, task, rng)
    return glyphs(work, task, rng)


def save(folder: Path, name: str, split: dict[str, list[Sample]]) -> None:
    """One archive per task: <split>_images [N, 32, 32, 3] uint8 and <split>_labels [N] int64."""
    arrays = {}
    for part, samples in split.items():
        arrays[f"{part}_images"] = np.stack([s.pixels for s in samples])
        arrays[f"{part}_labels"] = np.array([s.label for s in samples], np.int64)
    np.savez(folder / f"{name}.npz", **arrays)


def build(work: Path, seed: int = 0) -> None:
    """Write WORK/data: one archive a task, the pre-training mix and the counts."""
    sys.path.insert(0, str(work / "py"))
    folder = work / "data"
    folder.mkdir(parents=True, exist_ok=True)
    everything = {task.name: collect(work, task) for task in TASKS}
    tests = [s for split in everything.values() for s in split["test"]]
    for split in everything.values():
        split["held-out"] = without(split["held-out"], tests)
    protected = tests + [s for split in everything.values() for s in split["held-out"]]
    counts: dict[str, dict[str, int]] = {}
    mix: list[Sample] = []
    for task in TASKS:
        split = everything[task.name]
        before = len(split["train"])
        split["train"] = without(split["train"], protected)
        kept = len(split["train"])
        sizes = {part: max(least, TOTAL[part] // len(task.classes)) for part, least in LEAST.items()}
        rng = np.random.default_rng([seed, digest(task.name)])
        split = {part: at_most(split[part], sizes[part], rng) for part in SPLITS}
        save(folder, task.name, split)
        seen = split["train"][: round(task.share * len(split["train"]))]
        mix += [Sample(s.pixels, s.label, s.drawing, task.caption(s.label, i)) for i, s in enumerate(seen)]
        smallest = int(np.bincount([s.label for s in split["test"]], minlength=len(task.classes)).min())
        counts[task.name] = {p: len(split[p]) for p in SPLITS} | {
            "twins dropped from train": before - kept,
            "smallest test class": smallest,
            "in pre-training": len(seen),
        }
        contact_sheet(split["test"]).save(folder / f"{task.name}.png")
        print(task.name, counts[task.name], flush=True)
    general = generic(work, seed)
    kept_general = without(general, protected)
    counts["generic"] = {
        "train": len(kept_general),
        "twins dropped from train": len(general) - len(kept_general),
    }
    print("generic", counts["generic"], flush=True)
    order = np.random.default_rng(seed).permutation(len(kept_general))
    np.savez(
        folder / "pretraining.npz",
        generic_images=np.stack([kept_general[i].pixels for i in order]),
        generic_captions=np.array([kept_general[i].caption for i in order]),
        task_images=np.stack([s.pixels for s in mix]),
        task_captions=np.array([s.caption for s in mix]),
    )
    contact_sheet([kept_general[i] for i in order]).save(folder / "generic.png")
    (folder / "counts.json").write_text(json.dumps(counts, indent=1))
