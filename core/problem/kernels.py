"""θ₀ + Σ λ τ and its transpose as one kernel each, which reads narrow task vectors once and sums as precisely as θ₀ is.

Written in Triton, which comes with PyTorch for CUDA. Columns are cut into pieces that never cross a parameter tensor,
so that a piece has one row of λ.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import torch
import triton
import triton.language as tl
from torch import Tensor

from core.problem.packed import BLOCK as SCALED
from core.problem.packed import Matrix, Packed

PIECE = 2**16
"""Columns of one program. Its partial sums are added up in a second pass, in a fixed order: no atomic additions."""
BLOCK = 1024


@triton.jit  # type: ignore[untyped-decorator]  # Triton has no types, and compiles annotations too
def _numbers(codes, scales, at, inside, BITS: tl.constexpr, SCALED: tl.constexpr):  # type: ignore[no-untyped-def]
    """τ in columns `at` of rows that begin at `codes` and `scales`; BITS is 0 where it isn't packed."""
    if BITS == 0:
        tau = tl.load(codes + at, mask=inside, other=0.0)
    else:
        if BITS == 4:
            pair = tl.load(codes + at // 2, mask=inside, other=0).to(tl.int32)
            code = ((pair >> (at % 2 * 4)) & 15) - 8
        else:
            code = tl.load(codes + at, mask=inside, other=0)
        tau = code.to(tl.float32) * tl.load(scales + at // SCALED, mask=inside, other=0.0).to(tl.float32)
    return tau


@triton.jit  # type: ignore[untyped-decorator]
def _combine(  # type: ignore[no-untyped-def]
    origin, codes, scales, rows, out, begins, ends, groups, stride, apart,
    K: tl.constexpr, BLOCK: tl.constexpr, ALIGN: tl.constexpr, BITS: tl.constexpr, SCALED: tl.constexpr,
):  # fmt: skip
    piece = tl.program_id(0)
    begin = tl.multiple_of(tl.load(begins + piece), ALIGN)
    end = tl.multiple_of(tl.load(ends + piece), ALIGN)
    row = rows + tl.load(groups + piece) * K
    for first in range(begin, end, BLOCK):
        at = first + tl.arange(0, BLOCK)
        inside = at < end
        total = tl.load(origin + at, mask=inside, other=0.0)
        for k in tl.static_range(K):
            own = codes + k * tl.cast(stride, tl.int64)
            tau = _numbers(own, scales + k * tl.cast(apart, tl.int64), at, inside, BITS, SCALED)
            total += tl.load(row + k) * tau.to(total.dtype)
        tl.store(out + at, total, mask=inside)


@triton.jit  # type: ignore[untyped-decorator]
def _contract(  # type: ignore[no-untyped-def]
    gradient, codes, scales, parts, begins, ends, stride, apart,
    K: tl.constexpr, WIDE: tl.constexpr, BLOCK: tl.constexpr, ALIGN: tl.constexpr, BITS: tl.constexpr,
    SCALED: tl.constexpr,
):  # fmt: skip
    piece = tl.program_id(0)
    begin = tl.multiple_of(tl.load(begins + piece), ALIGN)
    end = tl.multiple_of(tl.load(ends + piece), ALIGN)
    k = tl.arange(0, WIDE)
    task, scale = codes + k[:, None] * tl.cast(stride, tl.int64), scales + k[:, None] * tl.cast(apart, tl.int64)
    total = tl.full((WIDE, BLOCK), 0.0, gradient.dtype.element_ty)
    for first in range(begin, end, BLOCK):
        at = first + tl.arange(0, BLOCK)
        slope = tl.load(gradient + at, mask=at < end, other=0.0)
        inside = (k[:, None] < K) & (at[None, :] < end)
        tau = _numbers(task, scale, at[None, :], inside, BITS, SCALED)
        total += tau.to(total.dtype) * slope[None, :]
    tl.store(parts + piece * K + k, tl.sum(total, 1), mask=k < K)


def combine(
    origin: Tensor, deltas: Matrix, rows: Tensor, sizes: Sequence[int], row_of: Sequence[int], out: Tensor
) -> Tensor:
    """θ₀ + Σ_k λ[g, k] τ_k into `out` `[D]`; the parameter tensors have `sizes` columns and rows `row_of` of λ."""
    _combined(origin, *_read(deltas), rows, list(sizes), list(row_of), out)
    return out


def contract(gradient: Tensor, deltas: Matrix, sizes: Sequence[int], row_of: Sequence[int], rows: int) -> Tensor:
    """⟨gradient, τ_k⟩ summed inside each group, `[rows, K]`."""
    found: Tensor = _contracted(gradient, *_read(deltas), list(sizes), list(row_of), rows)
    return found


def _read(deltas: Matrix) -> tuple[Tensor, Tensor, int]:
    """What the kernels read: codes, scales and bits a code, or the numbers themselves twice and 0."""
    return (deltas.codes, deltas.scales, deltas.bits) if isinstance(deltas, Packed) else (deltas, deltas, 0)


# Operators of PyTorch, so that tensors without numbers pass, and a step calls one for each.
@torch.library.custom_op("mergescope::combine", mutates_args=("out",))
def _combined(
    origin: Tensor, codes: Tensor, scales: Tensor, bits: int,
    rows: Tensor, sizes: Sequence[int], row_of: Sequence[int], out: Tensor,
) -> None:  # fmt: skip
    begins, ends, groups, align = _pieces(tuple(sizes), tuple(row_of), origin.device)
    with torch.cuda.device_of(out):  # Triton launches on the current device.
        _combine[len(begins),](
            origin, codes, scales, rows.contiguous(), out, begins, ends, groups, codes.stride(0), scales.stride(0),
            len(codes), BLOCK, align, bits, SCALED,
        )  # fmt: skip


@torch.library.custom_op("mergescope::contract", mutates_args=())
def _contracted(
    gradient: Tensor, codes: Tensor, scales: Tensor, bits: int, sizes: Sequence[int], row_of: Sequence[int], rows: int
) -> Tensor:
    begins, ends, _, align = _pieces(tuple(sizes), tuple(row_of), gradient.device)
    tasks = len(codes)
    parts = torch.empty(len(begins), tasks, dtype=gradient.dtype, device=gradient.device)
    wide = triton.next_power_of_2(tasks)
    block = max(BLOCK // max(wide // 8, 1), 64)  # The sums of a program stay in registers.
    with torch.cuda.device_of(parts):
        _contract[len(begins),](
            gradient, codes, scales, parts, begins, ends, codes.stride(0), scales.stride(0),
            tasks, wide, block, align, bits, SCALED,
        )  # fmt: skip
    return (_members(tuple(sizes), tuple(row_of), rows, gradient.device) @ parts.double()).to(gradient)


_combined.register_fake(lambda *_: None)
_contracted.register_fake(lambda gradient, codes, *others: gradient.new_empty(others[-1], len(codes)))


@lru_cache(maxsize=4)
def _pieces(
    sizes: tuple[int, ...], row_of: tuple[int, ...], device: torch.device
) -> tuple[Tensor, Tensor, Tensor, int]:
    """Begin, end and row of λ of each piece, int64; and a power of two up to 16 that divides all of them."""
    table, begin = [], 0
    for size, row in zip(sizes, row_of, strict=True):
        table += [(at, min(at + PIECE, begin + size), row) for at in range(begin, begin + size, PIECE)]
        begin += size
    align = next(power for power in (16, 8, 4, 2, 1) if all(size % power == 0 for size in sizes))
    begins, ends, groups = torch.tensor(table).T.contiguous().to(device)
    return begins, ends, groups, align


@lru_cache(maxsize=4)
def _members(sizes: tuple[int, ...], row_of: tuple[int, ...], rows: int, device: torch.device) -> Tensor:
    """`[rows, pieces]`, 1 where a piece belongs to a row: a product with it is a sum whose order never changes."""
    groups = _pieces(sizes, row_of, device)[2]
    return (groups == torch.arange(rows, device=device)[:, None]).double()
