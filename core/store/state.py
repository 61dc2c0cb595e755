"""The state of a method as bytes: safetensors, never a pickle."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from safetensors import SafetensorError

from core.store.faults import Damaged

if TYPE_CHECKING:
    from torch import Tensor

    from core.step import State


def pack(state: State) -> tuple[bytes, str]:
    """The tensors' exact bytes, and the SHA-256 of the whole."""
    import safetensors.torch  # Here, because torch takes seconds to import and listing runs does not need it.

    data = safetensors.torch.save({name: _plain(tensor) for name, tensor in state.items()})
    return data, hashlib.sha256(data).hexdigest()


def unpack(data: bytes, sha256: str) -> dict[str, Tensor]:
    """The tensors of `pack`; raises `Damaged` where the bytes are not those that were written."""
    if hashlib.sha256(data).hexdigest() != sha256:
        raise Damaged("The checkpoint of this run is damaged. Start the run again; resuming would change its result.")
    import safetensors.torch

    try:
        return safetensors.torch.load(data)
    except SafetensorError as error:
        raise Damaged(f"The checkpoint of this run can't be read ({error}). Start the run again.") from error


def _plain(tensor: Tensor) -> Tensor:
    return tensor.detach().to("cpu", copy=True).contiguous()
