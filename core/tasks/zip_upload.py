"""A .zip file from a person -> a folder of images for a task; whatever else is in it, nothing leaves that folder."""

from __future__ import annotations

import io
import os
import re
import shutil
import stat
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from core.errors import BadInput, CannotWrite, told
from core.files import replacing
from core.progress import SILENT, Progress
from core.tasks.decode import MAX_BYTES, Unreadable, open_picture
from core.tasks.sources.walk import DEEPEST, JUNK

MAX_MEMBERS = 200_000
MAX_TOTAL = 20 * 2**30
"""Bytes of all images together."""
MAX_RATIO = 100
"""How many times larger than packed a member may be; images hardly shrink."""
_ALLOWED = 2**20
"""Bytes up to which the ratio does not matter."""
_STORED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_NAME = re.compile(r"[^\x00-\x1f\x7f<>:\"|?*\\]{1,200}")
SHOWN = 20


@dataclass(frozen=True)
class Unpacked:
    """What a zip file held."""

    folder: Path
    images: int
    skipped: tuple[str, ...]
    """Files that are no images, with the reason; not empty only where they were to be skipped."""


def unpack(archive: Path, target: Path, progress: Progress = SILENT, *, skip_unreadable: bool = False) -> Unpacked:
    """Put the images of `archive` into the new folder `target`; class folders keep their names.

    One folder that holds everything else is left out. Raises `BadInput`, and whatever `progress` raises to cancel, and
    then leaves nothing behind.
    """
    if target.exists():
        raise BadInput(f"`{target.name}` already exists; choose another name for the task's images.")
    try:
        with zipfile.ZipFile(archive) as opened:
            members = _members(opened, archive.name)
            with replacing(target) as waiting:
                found = _extract(opened, members, waiting, progress, skip_unreadable)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, UnicodeDecodeError, RuntimeError) as error:
        raise BadInput(f"`{archive.name}` should be a complete .zip file without a password. Found: {error}.") from None
    except (OSError, CannotWrite) as error:
        raise BadInput(f"`{archive.name}` can't be unpacked. {told(error)}") from None
    return Unpacked(target, found[0], tuple(found[1]))


def _members(opened: zipfile.ZipFile, name: str) -> dict[PurePosixPath, zipfile.ZipInfo]:
    """Where each image goes; raises `BadInput` where any name, size or kind is not what images have."""
    paths = [(_path(info, name), info) for info in opened.infolist() if not info.is_dir()]
    infos = [info for path, info in paths if not _junk(path)]
    if not infos:
        raise BadInput(f"`{name}` holds no file; expected images, in one folder per class or all in one.")
    if len(infos) > MAX_MEMBERS:
        raise BadInput(f"`{name}` holds {len(infos):,} files; at most {MAX_MEMBERS:,} are unpacked.")
    if sum(info.file_size for info in infos) > MAX_TOTAL:
        raise BadInput(f"`{name}` declares more than {MAX_TOTAL >> 30} GiB; expected less.")
    found: dict[PurePosixPath, zipfile.ZipInfo] = {}
    seen: set[str] = set()
    for path, info in paths:
        if _junk(path):
            continue
        if str(path).casefold() in seen:
            raise BadInput(f"`{name}` holds `{path}` more than once (ignoring case).")
        seen.add(str(path).casefold())
        found[path] = info
    tops = {path.parts[0] for path in found}
    while len(tops) == 1 and all(len(path.parts) > 2 for path in found):
        found = {PurePosixPath(*path.parts[1:]): info for path, info in found.items()}
        tops = {path.parts[0] for path in found}
    return found


def _path(info: zipfile.ZipInfo, name: str) -> PurePosixPath:
    # As it stands in the file: Python cuts names at a zero byte.
    path, shown = PurePosixPath(info.orig_filename), repr(info.orig_filename[:80])
    kind = stat.S_IFMT(info.external_attr >> 16)
    clean = all(_NAME.fullmatch(part) and not part.endswith((" ", ".")) for part in path.parts)
    if path.is_absolute() or not clean or len(path.parts) > DEEPEST:
        raise BadInput(f"`{name}`: {shown} is not a name that can be unpacked; expected plain relative names.")
    if kind not in (0, stat.S_IFREG):
        raise BadInput(f"`{name}`: {shown} is a link or a device; expected images.")
    if info.flag_bits & 1:
        raise BadInput(f"`{name}` is encrypted; give a .zip file without a password.")
    if info.compress_type not in _STORED:
        raise BadInput(f"`{name}`: {shown} is packed in an unusual way; expected stored or deflated members.")
    if info.file_size > MAX_BYTES or (
        info.file_size > _ALLOWED and info.file_size > MAX_RATIO * max(info.compress_size, 1)
    ):
        sizes = f"{info.compress_size:,} bytes to {info.file_size:,}"
        raise BadInput(f"`{name}`: {shown} claims to unpack {sizes}; images never do.")
    return path


def _junk(path: PurePosixPath) -> bool:
    return any(part.startswith(".") or part.lower() in JUNK for part in path.parts)


def _extract(
    opened: zipfile.ZipFile,
    members: dict[PurePosixPath, zipfile.ZipInfo],
    folder: Path,
    progress: Progress,
    skip: bool,
) -> tuple[int, list[str]]:
    """Write every image below `folder`; how many, and what was no image."""
    needed, free = sum(info.file_size for info in members.values()), shutil.disk_usage(folder.parent).free
    if needed > free:
        raise BadInput(
            f"The images take {needed / 2**30:.1f} GiB, where {free / 2**30:.1f} GiB are free. Make room first."
        )
    folder.mkdir()
    bad: list[str] = []
    progress.start("Unpacking images", len(members))
    for path, info in members.items():
        with opened.open(info) as file:
            # What is declared is checked above; more than that is not read, whatever the stream goes on to hold.
            data = file.read(info.file_size + 1)
        try:
            if len(data) != info.file_size:
                raise Unreadable("another size than declared")
            if not data:
                raise Unreadable("0 bytes")
            open_picture(io.BytesIO(data))
        except Unreadable as error:
            bad.append(f"{path} ({error})")
        else:
            place = folder.joinpath(*path.parts)
            place.parent.mkdir(parents=True, exist_ok=True)
            with os.fdopen(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644), "wb") as out:
                out.write(data)
        progress.advance()
    progress.finish()
    good = len(members) - len(bad)
    if bad and not (skip and good):
        more = f", and {len(bad) - SHOWN} more" if len(bad) > SHOWN else ""
        raise BadInput(
            f"{len(bad)} of {len(members)} files can't be used as images: {', '.join(bad[:SHOWN])}{more}; remove them, "
            "or choose to leave them out."
        )
    return good, bad
