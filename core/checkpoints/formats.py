"""A file or folder -> `CheckpointSource`. What the bytes say decides, never the file's name."""

from __future__ import annotations

from pathlib import Path

from core.checkpoints.safetensors_file import SafetensorsFile
from core.checkpoints.source import CheckpointSource, opened
from core.checkpoints.torch_legacy import LegacyFile
from core.checkpoints.torch_zip import ZipFile
from core.errors import BadCheckpoint

READ = "safetensors, or a state dict or module that `torch.save` wrote"
FOREIGN = (
    (0, b"version https://git-lfs", "a Git LFS pointer instead of the file; run `git lfs pull`"),
    (0, b"<", "a web page or XML text; download the file itself"),
    (0, b"GGUF", "a GGUF file; give the original weights"),
    (0, b"\x89HDF", "an HDF5 file (TensorFlow or Keras); give the PyTorch weights"),
    (0, b"\x93NUMPY", "a NumPy array; save the weights as safetensors"),
    (0, b"\x1f\x8b", "a gzip archive; unpack it"),
    (0, b"7z\xbc\xaf", "a 7z archive; unpack it"),
    (257, b"ustar", "a tar archive; unpack it"),
)
"""Place, mark, and what a person should do about files that are often taken for checkpoints."""


def open_file(path: Path) -> CheckpointSource:
    """The checkpoint in one file; raises `BadCheckpoint`."""
    with opened(path) as file:
        start = file.read(512)
    if not start:
        raise BadCheckpoint(f"`{path.name}` is not a complete safetensors file: it is empty. Fetch or export it again.")
    if start[8:9] == b"{":  # The length of a safetensors header can begin with the letters of any other format.
        return SafetensorsFile(path)
    if start[:2] == b"PK":
        return ZipFile(path)
    if start[:1] == b"\x80":
        return LegacyFile(path)
    for place, mark, told in FOREIGN:
        if start[place:].startswith(mark):
            raise BadCheckpoint(f"`{path.name}` is {told}. Expected {READ}.")
    return SafetensorsFile(path)
