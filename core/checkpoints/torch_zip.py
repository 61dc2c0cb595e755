"""PyTorch files since version 1.6: a zip archive with one pickle and a member for each run of numbers."""

from __future__ import annotations

import re
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, NamedTuple

from core.checkpoints.inert.machine import MAX_BYTES, Machine
from core.checkpoints.inert.modules import named_tensors
from core.checkpoints.inert.values import StorageRef, require
from core.checkpoints.pickled import Pickled, check_sizes, check_storages, read_tensor, refusing
from core.checkpoints.source import MAX_TENSORS, opened
from core.errors import BadCheckpoint
from core.lazily import torch

PIECE = 2**22
MAX_DIRECTORY = 8 * 2**20
END, END64, LOCATOR64 = b"PK\5\6", b"PK\6\6", b"PK\6\7"
LOCAL = b"PK\3\4"
ENCRYPTED, UTF8 = 0x41, 0x800
MEMBER = re.compile(
    r"(?P<root>[^/\\\x00-\x1f]{1,255})/(?:data\.pkl|version|byteorder|\.[\w./-]{1,60}|data/[A-Za-z0-9]{1,40})"
)
CODE = re.compile(
    r"[^/\\\x00-\x1f]{1,255}/(?:(?:code|extra|constants|traced_inputs)/[\w./-]{1,400}|(?:constants|traced_inputs)\.pkl)"
)
"""What only TorchScript has: the program and what goes with it. None of it is read, so it may be compressed."""


class Member(NamedTuple):
    """Where a member's bytes lie in the file, and their checksum."""

    begin: int
    size: int
    checksum: int


class ZipFile(Pickled):
    """A file that `torch.save` wrote, or a TorchScript archive, whose program is left alone."""

    format = "PyTorch pickle, zip layout"

    def __init__(self, path: Path) -> None:
        storages: dict[str, StorageRef] = {}
        with opened(path) as file, refusing(path):
            size = file.seek(0, 2)
            members = _members(file, size)
            root = _root(members)
            byte_order = members.get(f"{root}byteorder")
            if byte_order is not None:
                require(_bytes(file, byte_order, 16) == b"little", "numbers in big-endian order")
            found = named_tensors(Machine(BytesIO(_bytes(file, members[f"{root}data.pkl"], MAX_BYTES)), storages).run())
            self._members = {key: members[f"{root}data/{key}"] for key in storages if f"{root}data/{key}" in members}
            check_storages(storages, {key: member.size for key, member in self._members.items()})
            check_sizes(found.tensors.values(), size)
            if any(map(CODE.fullmatch, members)):
                self.format = "TorchScript archive"
        super().__init__(path, found)

    def read(self, names: Iterable[str]) -> Iterator[tuple[str, torch.Tensor]]:
        """See `CheckpointSource.read`; a storage whose checksum is wrong is refused."""
        checked = set()
        with opened(self.path) as file:
            for name in names:
                ref = self.refs[name]
                member = self._members[ref.storage.key]
                if member not in checked:
                    if _checksum(file, member) != member.checksum:
                        raise BadCheckpoint(
                            f"`{self.path.name}`: the numbers of tensor `{name}` are damaged (wrong checksum); "
                            "fetch or save the file again."
                        )
                    checked.add(member)
                yield name, read_tensor(file, member.begin, ref, name)


def _root(members: dict[str, Member]) -> str:
    """The folder that everything lies in, with its slash."""
    matches = [MEMBER.fullmatch(name) for name in members if not CODE.fullmatch(name)]
    require(all(matches), "a zip archive that `torch.save` did not write")
    roots = {match["root"] for match in matches if match}
    require(len(roots) == 1, "a zip archive that `torch.save` did not write")
    root = f"{roots.pop()}/"
    require(f"{root}data.pkl" in members, "a zip archive without the objects of `torch.save`")
    return root


def _members(file: BinaryIO, size: int) -> dict[str, Member]:
    """The archive's members: stored as they are, under unique names, side by side from byte 0 to the directory."""
    directory, count = _directory(file, size)
    require(count <= MAX_TENSORS + 10 and size - directory <= MAX_DIRECTORY, "too many members for a checkpoint")
    infos = zipfile.ZipFile(file).infolist()
    require(len(infos) == count and len({info.filename for info in infos}) == count, "members of the same name")
    packed = {info.filename for info in infos if info.compress_type or info.flag_bits & ENCRYPTED}
    require(all(map(CODE.fullmatch, packed)), "compressed or encrypted members")
    members, at = {}, 0
    for info in sorted(infos, key=lambda info: info.header_offset):
        same = info.compress_size == info.file_size or info.filename in packed
        require(info.header_offset >= at and same, "members that overlap")
        require(at > 0 or info.header_offset == 0, "data before its archive")
        file.seek(info.header_offset)
        header = file.read(30)
        require(len(header) == 30 and header[:4] == LOCAL, "a damaged member")
        name_length, extra_length = struct.unpack("<HH", header[26:])
        name = info.orig_filename.encode("utf-8" if info.flag_bits & UTF8 else "cp437")
        require(file.read(name_length) == name, "a member with two names")
        begin = info.header_offset + 30 + name_length + extra_length
        at = begin + info.compress_size
        require(at <= directory, "members that reach beyond the file")
        members[info.filename] = Member(begin, info.file_size, info.CRC)
    return members


def _directory(file: BinaryIO, size: int) -> tuple[int, int]:
    """Where the archive's directory begins and how many members it names, before anything parses it."""
    require(size >= 22, "an incomplete archive (truncated)")
    file.seek(size - 22)
    mark, _, _, _, count, _, begin, comment = struct.unpack("<4s4H2LH", file.read(22))
    require(mark == END and comment == 0, "an incomplete archive, or data after its end (truncated)")
    file.seek(max(0, size - 42))
    mark, _, at, _ = struct.unpack("<4sLQL", file.read(20).ljust(20, b"\0"))
    if mark == LOCATOR64:
        require(at + 56 <= size, "a damaged directory")
        file.seek(at)
        mark, *_, count, _, begin = struct.unpack("<4sQ2H2L4Q", file.read(56))
        require(mark == END64, "a damaged directory")
    require(0 < begin < size, "a damaged directory")
    return begin, count


def _bytes(file: BinaryIO, member: Member, limit: int) -> bytes:
    require(member.size <= limit, f"more than {limit:,} bytes of objects besides its numbers")
    file.seek(member.begin)
    raw = file.read(member.size)
    require(zlib.crc32(raw) == member.checksum, "damaged objects (wrong checksum)")
    return raw


def _checksum(file: BinaryIO, member: Member) -> int:
    file.seek(member.begin)
    left, checksum = member.size, 0
    while left > 0 and (piece := file.read(min(PIECE, left))):
        checksum = zlib.crc32(piece, checksum)
        left -= len(piece)
    return checksum
