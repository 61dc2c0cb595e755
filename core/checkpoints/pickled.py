"""What both layouts of pickled PyTorch files share."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from zipfile import BadZipFile

from core.checkpoints.inert.modules import FoundInFile
from core.checkpoints.inert.values import Refusal
from core.checkpoints.source import CheckpointSource, TensorEntry, check_table
from core.errors import BadCheckpoint


class Pickled(CheckpointSource):
    """A file of `torch.save`, read without unpickling."""

    def __init__(self, path: Path, found: FoundInFile, warnings: tuple[str, ...] = ()) -> None:
        self.path, self.refs = path, found.tensors
        self.table = {name: TensorEntry(ref.storage.dtype, ref.shape) for name, ref in found.tensors.items()}
        check_table(path.name, self.table)
        self.classes = frozenset(found.classes)
        self.warnings = warnings
        if found.passed_over:
            shown = ", ".join(f"`{name[:40]}`" for name in found.passed_over[:4])
            more = ", …" if len(found.passed_over) > 4 else ""
            self.warnings += (f"{len(found.passed_over)} entries that are no tensors are not read ({shown}{more})",)


@contextmanager
def refusing(path: Path) -> Iterator[None]:
    """Turn what reading the objects of `path` may raise into one `BadCheckpoint`."""
    try:
        yield
    except Refusal as refusal:
        raise BadCheckpoint(
            f"`{path.name}` holds {refusal}. Nothing of it was executed. Save it again as safetensors, or fetch it "
            "anew."
        ) from None
    except (ValueError, BadZipFile, NotImplementedError, struct.error, OverflowError, zlib.error, EOFError) as error:
        reason = str(error).partition("\n")[0][:120] or type(error).__name__
        raise BadCheckpoint(
            f"`{path.name}` is a damaged PyTorch file: {reason}. Nothing of it was executed. Fetch or save it again."
        ) from None
