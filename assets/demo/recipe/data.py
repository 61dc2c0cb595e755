"""Stage `data`: all pictures of all tasks and the pre-training mix, without twins across splits."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .drawn import flags, glyphs, produce
from .generic import generic
from .photos import satellite
from .samples import SPLITS, Sample, at_most, digest
from .tasks import TASKS, Task

# Pictures kept of each split, and the least of a class.
TOTAL = {"train": 5000, "held-out": 400, "test": 640}
LEAST = {"train": 1, "held-out": 20, "test": 40}
# Root mean square difference of two 16 px drawings, 0-255. Chosen by looking at pairs: below it, the same drawing saved
# twice or a typeface and its near copy; above it, two designs of one letter.
SAME_DRAWING = 8.0
SAME_BITS = 4
SAME_COLOUR = 10.0


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
    """Write WORK/data: one archive per task, the pre-training mix and the counts."""
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


def _cosine_basis(low: int, size: int) -> NDArray[np.float64]:
    k, x = np.arange(low)[:, None], np.arange(size)[None, :]
    return np.cos(np.pi * k * (2 * x + 1) / (2 * size))


def perceptual_hash(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """64-bit hash of pictures [N, 32, 32, 3]: signs of the low cosine frequencies about their median, as 8 bytes."""
    grey = pixels.astype(np.float64).mean(-1)
    basis = _cosine_basis(8, grey.shape[1])
    low = np.einsum("ky,nyx,lx->nkl", basis, grey, basis).reshape(len(grey), -1)
    low[:, 0] = 0
    return np.packbits(low > np.median(low, axis=1, keepdims=True), axis=1)


def _coarse(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    n, size = len(pixels), pixels.shape[1] // 4
    return pixels.reshape(n, 4, size, 4, size, 3).mean((2, 4)).reshape(n, -1).astype(np.float32)


def _near(a: NDArray[np.float32], b: NDArray[np.float32], limit: float) -> NDArray[np.bool_]:
    """[len(a), len(b)]: is the root mean square difference of the rows below the limit?"""
    square = (a**2).sum(1)[:, None] + (b**2).sum(1)[None] - 2 * a @ b.T
    return square < limit**2 * a.shape[1]


def resembles(candidates: Sequence[Sample], kept: Sequence[Sample], block: int = 2000) -> NDArray[np.bool_]:
    """For each candidate: is it, or the drawing it shows, a twin of any kept sample?"""
    drawings, inverse = np.unique(np.stack([s.drawing.reshape(-1) for s in candidates]), axis=0, return_inverse=True)
    kept_drawings = np.unique(np.stack([s.drawing.reshape(-1) for s in kept]), axis=0).astype(np.float32)
    twin = np.zeros(len(drawings), bool)
    for i in range(0, len(drawings), block):
        twin[i : i + block] = _near(drawings[i : i + block].astype(np.float32), kept_drawings, SAME_DRAWING).any(1)
    found = twin[inverse.reshape(-1)]
    kept_pixels = np.stack([s.pixels for s in kept])
    kept_bits, kept_colours = perceptual_hash(kept_pixels).view(np.uint64)[:, 0], _coarse(kept_pixels)
    for i in range(0, len(candidates), block):
        pixels = np.stack([s.pixels for s in candidates[i : i + block]])
        bits = perceptual_hash(pixels).view(np.uint64)[:, 0]
        close = np.bitwise_count(bits[:, None] ^ kept_bits[None]) <= SAME_BITS
        found[i : i + block] |= (close & _near(_coarse(pixels), kept_colours, SAME_COLOUR)).any(1)
    return found


def without(candidates: list[Sample], kept: Sequence[Sample]) -> list[Sample]:
    """The candidates that are no twins of kept samples."""
    if not candidates:
        return candidates
    return [s for s, twin in zip(candidates, resembles(candidates, kept), strict=True) if not twin]


def contact_sheet(samples: Sequence[Sample], columns: int = 20, rows: int = 12) -> Image.Image:
    """Samples side by side, for looking at."""
    sheet = Image.new("RGB", (columns * 34, rows * 34), (255, 255, 255))
    for i, sample in enumerate(samples[: columns * rows]):
        sheet.paste(Image.fromarray(sample.pixels), (i % columns * 34 + 1, i // columns * 34 + 1))
    return sheet
