"""Task vectors in 8 or 4 bits a number: codes, and a scale for every `BLOCK` columns of a row.

After TVQ (Kim et al., Task Vector Quantization for Memory-Efficient Model Merging, ICCV 2025), which gives each
tensor one range. Here a scale serves fewer numbers, and zero stays zero.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from core.problem.mapped import Memory

BITS = {"int8": 8, "int4": 4}
BLOCK = 64
PIECE = 2**17
"""Columns rounded or widened at a time, a multiple of `BLOCK`: as many as the processor's cache holds."""


@dataclass(frozen=True)
class Packed:
    """A matrix `[K, D]` of codes, or some rows and columns of one; `to` widens it.

    The part of a tensor's interface that methods need: what is indexed is a view, and what is written is rounded.
    """

    codes: Tensor
    """int8 `[K, bytes]` over whole blocks; with 4 bits an even column is in the lower half of a byte, 8 added to it."""
    scales: Tensor
    """bfloat16 `[K, blocks]`: their products with codes are exact in float32."""
    bits: int
    begin: int
    end: int
    """The columns of `codes` that it shows."""
    dtype = torch.bfloat16
    """In which methods keep what they derive of task vectors and hold on to; it has no number format of its own."""

    @property
    def shape(self) -> tuple[int, ...]:
        """As a tensor's."""
        return (*self.codes.shape[:-1], self.end - self.begin)

    @property
    def device(self) -> torch.device:
        """As a tensor's."""
        return self.codes.device

    @property
    def nbytes(self) -> int:
        """Bytes of the codes and scales of these columns."""
        whole = self.scales.shape[-1] * BLOCK
        return (self.codes.nbytes + self.scales.nbytes) * (self.end - self.begin) // whole

    def __len__(self) -> int:
        return len(self.codes)

    def __iter__(self) -> Iterator[Packed]:
        return (self[row] for row in range(len(self)))

    def __getitem__(self, at: Any) -> Packed:
        """`[rows]` or `[rows, columns]`, columns being a slice."""
        rows, columns = at if isinstance(at, tuple) else (at, slice(None))
        begin, end, _ = columns.indices(self.end - self.begin)
        return Packed(self.codes[rows], self.scales[rows], self.bits, self.begin + begin, self.begin + end)

    def __setitem__(self, at: Any, numbers: Tensor | Packed) -> None:
        self[at].copy_(numbers)

    def to(self, like: Tensor | torch.dtype) -> Tensor:
        """The numbers as a tensor of their own, in the format of `like`."""
        form, size = like if isinstance(like, torch.dtype) else like.dtype, self.shape[-1]
        if size <= PIECE:
            return self._widened().to(form)
        wide = torch.empty(self.shape, dtype=form, device=self.device)
        for begin in range(0, size, PIECE):  # What is made on the way takes as much memory as the numbers.
            part = replace(self, begin=self.begin + begin, end=min(self.begin + begin + PIECE, self.end))
            wide[..., begin : begin + PIECE] = part._widened()
        return wide

    def _widened(self) -> Tensor:
        """The numbers in float32, which holds them exactly."""
        first, last = self.begin // BLOCK, -(-self.end // BLOCK)
        size = BLOCK * self.bits // 8
        codes = self.codes[..., first * size : last * size]
        if self.bits == 4:
            pairs = codes.view(torch.uint8).short()
            codes = ((pairs | pairs << 4) & 0x0F0F).view(torch.int8).sub_(8)
        wide = codes.float()
        wide.unflatten(-1, (-1, BLOCK)).mul_(self.scales[..., first:last, None])
        return wide[..., self.begin - first * BLOCK : self.end - first * BLOCK]

    def copy_(self, numbers: Tensor | Packed) -> Packed:
        """Round `numbers` to the nearest codes, or take those of another matrix; whole blocks only."""
        if isinstance(numbers, Packed):
            self.codes.copy_(numbers.codes)
            self.scales.copy_(numbers.scales)
            return self
        if self.begin % BLOCK or (self.end % BLOCK and self.end < (self.scales.shape[-1] - 1) * BLOCK):
            raise RuntimeError(f"Columns to write should be whole blocks of {BLOCK}. Found {self.begin} to {self.end}.")
        for begin in range(0, self.shape[-1], PIECE):
            self._round((self.begin + begin) // BLOCK, numbers[..., begin : begin + PIECE])
        return self

    def _round(self, first: int, numbers: Tensor) -> None:
        """Into the blocks from `first` on."""
        most = 2 ** (self.bits - 1)
        blocks = pad(numbers.float(), (0, -numbers.shape[-1] % BLOCK)).unflatten(-1, (-1, BLOCK))
        # What lies furthest from zero has the code −most, as there is no +most. A block of zeros takes any scale.
        scales = (blocks.take_along_dim(blocks.abs().argmax(-1, keepdim=True), -1) / -most).bfloat16()
        scales[scales == 0] = 1
        codes = (blocks / scales).round_().clamp_(-most, most - 1).flatten(-2).to(torch.int8)
        if self.bits == 4:
            codes = codes.add_(8)
            codes = codes[..., ::2] | codes[..., 1::2] << 4
        size = BLOCK * self.bits // 8
        self.codes[..., first * size :][..., : codes.shape[-1]] = codes
        self.scales[..., first:][..., : scales.shape[-2]] = scales.squeeze(-1)


Matrix = Tensor | Packed
"""Task vectors `[K, D]` in any number format."""


def empty(memory: Memory, rows: int, columns: int, form: str, device: torch.device) -> Matrix:
    """A matrix to be filled, in a number format such as `float32` or `int4`."""
    if form not in BITS:
        return memory.empty((rows, columns), getattr(torch, form), device)
    blocks = -(-columns // BLOCK)
    codes = memory.empty((rows, blocks * BLOCK * BITS[form] // 8), torch.int8, device)
    return Packed(codes, memory.empty((rows, blocks), torch.bfloat16, device), BITS[form], 0, columns)


def numbers(part: Matrix) -> Tensor:
    """The numbers as they are stored; those that are packed in float32, which holds them exactly."""
    return part.to(torch.float32) if isinstance(part, Packed) else part


def format_of(matrix: Matrix) -> str:
    """Its number format, as `empty` takes it."""
    return f"int{matrix.bits}" if isinstance(matrix, Packed) else str(matrix.dtype).removeprefix("torch.")


@contextmanager
def whole(row: Matrix, like: Tensor) -> Iterator[Tensor]:
    """A tensor `[D]` to write a row into piece by piece: the row itself, or one that is rounded into it at the end."""
    if isinstance(row, Tensor):
        yield row
    else:
        wide = torch.empty_like(like)
        yield wide
        row.copy_(wide)
