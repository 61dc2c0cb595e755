"""The processes of one merge and how numbers get from one to another: PyTorch's `distributed`, NCCL or gloo.

Commands are JSON and plain numbers: nothing that a process receives is unpickled.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor

from core.errors import ProcessLost

PAUSE = timedelta(days=7)
"""How long the others wait for process 0 to tell them something."""
STEP = timedelta(minutes=30)
"""How long one process waits for another in the middle of something that all do: a matrix may take a while."""


Form = tuple[str, Sequence[int]]
"""Number format and shape of a tensor."""


class Told(NamedTuple):
    """What process 0 wants of the others."""

    act: str
    arguments: dict[str, Any]
    tensors: list[Tensor]
    """On the CPU."""
    dropped: list[int]
    """What process 0 needs no more of what they hold."""


class Team:
    """The processes, seen by one of them; every process calls the same in the same order.

    Raises `ProcessLost` once one of the others is gone.
    """

    def __init__(self, rank: int, size: int, device: torch.device, near: int, missing: Callable[[], str]) -> None:
        """All of them have joined. `near`: how many of them this machine has; `missing` says which have ended."""
        self.rank, self.size, self.device, self.near, self._missing = rank, size, device, near, missing
        # NCCL refuses two processes on one GPU.
        self._direct = device.type == "cuda" and near <= torch.cuda.device_count()
        self.place = device if self._direct else torch.device("cpu")
        """Where numbers have to be to get from one process to another."""
        self._orders: Any = dist.new_group(backend="gloo", timeout=PAUSE)
        self._numbers: Any = dist.new_group(backend="nccl" if self._direct else "gloo", timeout=STEP)

    def tell(self, told: Told) -> None:
        """Let the others do something; only process 0."""
        tensors = [tensor.detach().cpu().contiguous() for tensor in told.tensors]
        head = json.dumps([told.act, told.arguments, list(map(form_of, tensors)), told.dropped]).encode()
        parts = [torch.frombuffer(bytearray(head + b"\n"), dtype=torch.uint8), *map(raw, tensors)]
        body = torch.cat(parts)
        self._finish(dist.broadcast(torch.tensor(len(body)), 0, self._orders, async_op=True))
        self._finish(dist.broadcast(body, 0, self._orders, async_op=True))

    def listen(self) -> Told:
        """What process 0 tells next."""
        size = torch.empty((), dtype=torch.int64)
        self._finish(dist.broadcast(size, 0, self._orders, async_op=True))
        body = torch.empty(int(size), dtype=torch.uint8)
        self._finish(dist.broadcast(body, 0, self._orders, async_op=True))
        head = body.numpy().tobytes().partition(b"\n")[0]
        act, arguments, forms, dropped = json.loads(head)
        return Told(act, arguments, unpacked(body[len(head) + 1 :], forms), dropped)

    def broadcast(self, tensor: Tensor) -> None:
        """Process 0's numbers to all."""
        self._move([(dist.broadcast, tensor, 0)])

    def all_gather(self, whole: Tensor, parts: Sequence[slice]) -> None:
        """Every process's part of a vector to all."""
        self._move([(dist.broadcast, whole[part], source) for source, part in enumerate(parts)])

    def gather(self, own: Tensor, parts: Sequence[slice], whole: Tensor | None) -> None:
        """Every process's own part of a vector into the `whole` of process 0."""
        if whole is None:
            self._move([(dist.send, own, 0)])
        else:
            whole[parts[0]] = own
            self._move([(dist.recv, whole[part], other) for other, part in enumerate(parts) if other])

    def scatter(self, own: Tensor, parts: Sequence[slice], whole: Tensor | None = None) -> Tensor:
        """The own part, filled, of a vector that process 0 has as a `whole`."""
        if whole is None:
            self._move([(dist.recv, own, 0)])
        else:
            self._move([(dist.send, whole[part], other) for other, part in enumerate(parts) if other])
            own.copy_(whole[parts[0]])
        return own

    def send(self, tensor: Tensor, other: int) -> None:
        """Bytes uint8 from process 0 to another one."""
        self._move([(dist.send, tensor, other)])

    def receive(self, size: int) -> Tensor:
        """So many bytes from process 0."""
        tensor = torch.empty(size, dtype=torch.uint8, device=self.place)
        self._move([(dist.recv, tensor, 0)])
        return tensor

    def reduce(self, whole: Tensor, parts: Sequence[slice]) -> None:
        """The sum of all processes' vectors, to each its part; the rest is left as nothing to rely on."""
        self._add([(whole[part], other) for other, part in enumerate(parts)])

    def total(self, tensor: Tensor, everybody: bool = False) -> Tensor:
        """The sum of all processes' tensors, for process 0 or for everybody; elsewhere nothing to rely on."""
        self._add([(tensor, 0)])
        if everybody:
            self.broadcast(tensor)
        return tensor

    def lists(self, numbers: Sequence[int]) -> list[list[int]]:
        """Every process's list of whole numbers, to all."""
        lengths = torch.zeros(self.size, dtype=torch.int64)
        lengths[self.rank] = len(numbers)
        self.all_gather(lengths, cuts([1] * self.size))
        found = torch.zeros(int(lengths.sum()), dtype=torch.int64)
        parts = cuts(lengths.tolist())
        found[parts[self.rank]] = torch.tensor(numbers, dtype=torch.int64)
        self.all_gather(found, parts)
        return [found[part].tolist() for part in parts]

    def _move(self, moves: Sequence[tuple[Callable[..., Any], Tensor, int]]) -> None:
        """Bytes, whatever they mean: gloo does not know every format."""
        self._carry_out([(work, raw(tensor), other, {}) for work, tensor, other in moves])

    def _add(self, parts: Sequence[tuple[Tensor, int]]) -> None:
        self._carry_out([(dist.reduce, tensor, other, {"op": dist.ReduceOp.SUM}) for tensor, other in parts])

    def _carry_out(self, moves: Sequence[tuple[Callable[..., Any], Tensor, int, Mapping[str, Any]]]) -> None:
        """All of them at once."""
        waiting = []
        for work, tensor, other, how in moves:
            if not tensor.numel():
                continue
            used = tensor.to(self.place)
            asked = {dist.send: dist.isend, dist.recv: dist.irecv}.get(work)
            how = how if asked else {**how, "async_op": True}
            waiting.append((self._begun(asked or work, used, other, how), tensor, used))
        for begun, tensor, used in waiting:
            self._finish(begun)
            if used is not tensor:
                tensor.copy_(used)

    def _begun(self, work: Callable[..., Any], tensor: Tensor, other: int, how: Mapping[str, Any]) -> Any:
        try:
            return work(tensor, other, group=self._numbers, **how)
        except RuntimeError as error:
            raise self._lost() from error

    def _finish(self, work: Any) -> None:
        try:
            work.wait()
        except RuntimeError as error:
            raise self._lost() from error

    def _lost(self) -> ProcessLost:
        return ProcessLost(f"{self._missing()} ended, so the merge can't go on with its part of the task vectors.")


def cuts(sizes: Sequence[int]) -> list[slice]:
    """Where things of these sizes lie that come one behind the other."""
    ends = list(accumulate(sizes, initial=0))
    return [slice(begin, end) for begin, end in pairwise(ends)]


def raw(tensor: Tensor) -> Tensor:
    """The bytes of a contiguous tensor, uint8; a view."""
    return tensor.view(-1).view(torch.uint8)


def form_of(tensor: Tensor) -> Form:
    """What to know of a tensor to read its bytes."""
    return str(tensor.dtype).removeprefix("torch."), list(tensor.shape)


def size_of(form: Form) -> int:
    """Bytes of a tensor."""
    name, shape = form
    return int(math.prod(shape) * getattr(torch, name).itemsize)


def unpacked(numbers: Tensor, forms: Sequence[Form]) -> list[Tensor]:
    """The tensors whose bytes lie one behind the other in `numbers`, uint8."""
    # Copied: a number may begin anywhere among the bytes.
    parts = zip(numbers.split(list(map(size_of, forms))), forms, strict=True)
    return [part.clone().view(getattr(torch, name)).view(shape) for part, (name, shape) in parts]
