"""The state of a method as bytes: safetensors, never a pickle.

States too large for the database, such as the weights and moments of a whole encoder, get a file of their run each; the
database then holds the file's SHA-256 in place of the state. A file is written before the step that it belongs to and
deleted after the next one is stored, so that a killed process always leaves the one that counts.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from safetensors import SafetensorError

from core.files import sha256, write_atomically
from core.store.artefacts import STATE, Artefacts
from core.store.faults import Damaged, plainly

if TYPE_CHECKING:
    from torch import Tensor

    from core.step import State

LIMIT = 2**26
"""Bytes from which a state goes into a file; SQLite itself takes no more than 1e9."""
_ELSEWHERE = "sha256 of the file that holds this state"

Found = tuple[int, "dict[str, Tensor]"]


def parked(artefacts: Artefacts, run_id: str, number: int, state: State | None) -> State | None:
    """The state itself if it is small; else it is written to its file, and what stands for it is returned."""
    if state is None or sum(tensor.nbytes for tensor in state.values()) <= LIMIT:
        return state
    import safetensors.torch  # Here, because torch takes seconds to import and listing runs does not need it.
    import torch

    path = artefacts.path(run_id, f"{STATE}{number}.safetensors", make=True)
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
    write_atomically(path, lambda temporary: safetensors.torch.save_file(tensors, temporary))
    return {_ELSEWHERE: torch.frombuffer(bytearray(bytes.fromhex(sha256(path))), dtype=torch.uint8)}


def fetched(artefacts: Artefacts, run_id: str, found: Found | None) -> Found | None:
    """A stored state, read from its file where it has one; raises `Damaged` where that is not what was written."""
    if found is None or set(found[1]) != {_ELSEWHERE}:
        return found
    path = artefacts.path(run_id, f"{STATE}{found[0]}.safetensors", make=False)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise Damaged(
            f"The checkpoint `{path.name}` of this run is missing ({error.strerror}). Start the run again."
        ) from error
    return found[0], unpack(data, bytes(found[1][_ELSEWHERE].tolist()).hex())


def settled(artefacts: Artefacts, run_id: str, number: int, state: State | None) -> None:
    """After `parked` and the database have taken a state: the file of the one before is not needed any more."""
    if state is not None and set(state) == {_ELSEWHERE}:
        tidy(artefacts, run_id, number)


def tidy(artefacts: Artefacts, run_id: str, keep: int | None) -> None:
    """Delete the state files of a run but that of step `keep`."""
    kept = f"{STATE}{keep}.safetensors"
    for file in artefacts.path(run_id, kept, make=False).parent.glob(f"{STATE}*.safetensors"):
        if file.name != kept:
            with plainly(f"Deleting {file.name}"):
                file.unlink(missing_ok=True)


def pack(state: State) -> tuple[bytes, str]:
    """The tensors' exact bytes, and the SHA-256 of the whole."""
    import safetensors.torch  # Here, because torch takes seconds to import and listing runs does not need it.

    plain = {name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in state.items()}
    data = safetensors.torch.save(plain)
    return data, hashlib.sha256(data).hexdigest()


def unpack(data: bytes, expected: str) -> dict[str, Tensor]:
    """The tensors of `pack`; raises `Damaged` where the bytes are not those that were written."""
    if hashlib.sha256(data).hexdigest() != expected:
        raise Damaged("The checkpoint of this run is damaged. Start the run again; resuming would change its result.")
    import safetensors.torch

    try:
        # Where a tensor begins in memory can decide the last bits of a product: each begins as a new one does.
        return {name: tensor.clone() for name, tensor in safetensors.torch.load(data).items()}
    except SafetensorError as error:
        raise Damaged(f"The checkpoint of this run can't be read ({error}). Start the run again.") from error
