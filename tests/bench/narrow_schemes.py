"""How far narrow task vectors lie from exact ones, by what shares a scale: why `core.problem.packed` is as it is.

    python -m tests.bench.narrow_schemes [--suite demo] [--bits 8,4]

`error` is the mean length of what rounding changed in a task vector, relative to the task vector's; `size` counts bits
a number with the scales. TVQ has a smallest and a largest number for each tensor; its residual variant rounds the mean
task vector to 8 bits and what is left of each to one bit less.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch.nn.functional import pad

from core.problem.loading import load
from core.problem.mapped import InMemory
from core.problem.packed import BITS, empty
from core.problem.task_vectors import TaskVectors
from core.suite.find import find

Rounding = Callable[[Tensor, int], Tensor]
"""Rows `[n, size]`, each with a scale of its own, in so many bits."""


def main() -> None:
    """Measure and print a row per scheme and number of bits."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suite", default="demo")
    parser.add_argument("--bits", default="8,4")
    options = parser.parse_args()
    vectors = load(find(options.suite), precision="float32", deltas="float32", memory="ram").task_vectors
    print("| scheme | size | error, % |")
    for bits in map(int, options.bits.split(",")):
        for name, size, found in schemes(vectors, bits):
            error = ((found - vectors.deltas).norm(dim=1) / vectors.deltas.norm(dim=1)).mean()
            print(f"| {bits} bits, {name} | {size:.2f} | {100 * error:.2f} |", flush=True)


def schemes(vectors: TaskVectors, bits: int) -> Iterator[tuple[str, float, Tensor]]:
    """Name, bits a number, and all task vectors rounded so."""
    deltas, (tasks, columns) = vectors.deltas, vectors.deltas.shape
    rows = sum(shape[0] if len(shape) > 1 else 1 for shape in vectors.shapes)
    yield "a range for each tensor (TVQ)", bits, _tensors(vectors, deltas, bits, ranged)
    yield "a range for each block of 128", bits + 32 / 128, blocks(deltas, bits, 128, ranged)
    yield "a scale for each tensor", bits, _tensors(vectors, deltas, bits, scaled)
    yield "a scale for each row of a matrix", bits + 32 * rows / columns, _tensors(vectors, deltas, bits, scaled, True)
    for size in (32, 128, 256):
        yield f"a scale for each block of {size}", bits + 16 / size, blocks(deltas, bits, size, scaled)
    for form in (form for form, own in BITS.items() if own == bits):
        matrix = empty(InMemory(), tasks, columns, form, deltas.device)
        matrix.copy_(deltas)
        yield f"as shipped, `{form}`", 8 * matrix.nbytes / deltas.numel(), matrix.to(deltas)
    base = blocks(deltas.mean(0, keepdim=True), 8, 64, scaled)
    size = bits - 1 + 8 / tasks + 16 / 64 * (1 + 1 / tasks)
    yield "residual variant, blocks of 64", size, base + blocks(deltas - base, bits - 1, 64, scaled)
    base = _tensors(vectors, deltas.mean(0, keepdim=True), 8, ranged)
    yield "residual variant (TVQ)", bits - 1 + 8 / tasks, base + _tensors(vectors, deltas - base, bits - 1, ranged)


def scaled(numbers: Tensor, bits: int) -> Tensor:
    """Whole multiples of a bfloat16 scale, zero among them, as many on both sides."""
    most = 2 ** (bits - 1) - 1
    scale = (numbers.abs().amax(1, keepdim=True) / most).bfloat16().float().clamp(min=1e-38)
    return (numbers / scale).round().clamp(-most, most) * scale


def ranged(numbers: Tensor, bits: int) -> Tensor:
    """TVQ's: from the smallest to the largest number in equal steps, of which one is zero."""
    low, high = numbers.amin(1, keepdim=True), numbers.amax(1, keepdim=True)
    step = ((high - low) / (2**bits - 1)).clamp(min=1e-38)
    first = (low / step).round()
    return ((numbers / step).round() - first).clamp(0, 2**bits - 1).add(first) * step


def blocks(deltas: Tensor, bits: int, size: int, rounding: Rounding) -> Tensor:
    """Blocks of `size` columns, whatever tensors lie in them."""
    parts = pad(deltas, (0, -deltas.shape[1] % size)).view(-1, size)
    return rounding(parts, bits).view(len(deltas), -1)[:, : deltas.shape[1]]


def _tensors(vectors: TaskVectors, deltas: Tensor, bits: int, rounding: Rounding, by_row: bool = False) -> Tensor:
    found = torch.empty_like(deltas)
    for span, shape in zip(vectors.spans, vectors.shapes, strict=True):
        rows = len(deltas) * (shape[0] if by_row and len(shape) > 1 else 1)
        found[:, span] = rounding(deltas[:, span].reshape(rows, -1), bits).view(len(deltas), -1)
    return found


if __name__ == "__main__":
    main()
