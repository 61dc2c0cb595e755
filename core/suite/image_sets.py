"""What of a folder's content is a set of images: class folders, loose pictures, arrays, lists and shards."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from core.errors import BadSuite
from core.files import inside
from core.tasks.decode import SUFFIXES
from core.tasks.sources import Place, open_source
from core.tasks.sources.folder import WORDS
from core.tasks.sources.lists import ListData
from core.tasks.sources.shards import ENDING, ShardsData
from core.tasks.sources.tables import holds_list
from core.tasks.sources.tar_index import holds_images

SPLIT_NAMES = tuple(name for names in WORDS.values() for name in names)
LISTS = (".csv", ".tsv", ".txt", ".parquet")
"""Names that lists of images have; what they are is decided by their content."""
MOST_LISTED = 32 * 2**20
"""Bytes of a list whose labels are looked at."""
MOST_SHARDS = 20
"""Shards of a set whose labels are looked at."""


@dataclass(frozen=True)
class FoundImages:
    """A folder of images, an array file, a list, or shards."""

    path: Path
    """As a suite file takes it, so of several shards in one folder a pattern."""
    kind: str
    """As in a suite file."""
    classes: tuple[str, ...] = ()
    """Names of the class folders or labels, sorted; empty where there are none, or only numbers."""
    numbered: bool = False
    """Whether labels are numbers, so that the suite file names the classes."""


def image_sets(
    folder: Path, folders: Sequence[str], files: Sequence[str], root: Path
) -> tuple[list[FoundImages], bool]:
    """The sets that lie in `folder`, and whether its subfolders belong to them; nothing outside `root` is opened."""
    found = [FoundImages(folder / name, "arrays", numbered=True) for name in files if name.endswith(".npz")]
    found += _lists(folder, files, root)
    listed = any(one.kind == "list" for one in found)
    split, shards = _shards(folder, folders, files, root)
    classes = image_folder(folder, folders, files)
    # What a list says of images is more than that they lie in one folder.
    if classes is not None and not (listed and len(classes) < 2):
        found.append(FoundImages(folder, "folder", classes))
    return [*found, *shards], split or classes is not None


def image_folder(folder: Path, folders: Sequence[str], files: Sequence[str]) -> tuple[str, ...] | None:
    """Class names of a folder that holds images as a whole; `()` where they are unlabelled, None where it is none."""
    if any(name.lower().endswith(SUFFIXES) for name in files):
        return ()
    if not folders:
        return None
    if all(name.lower() in SPLIT_NAMES for name in folders):
        each = [_class_folders(folder / name) for name in folders]
        if any(one is None for one in each):
            return None
        return tuple(sorted({name for one in each if one for name in one}))
    return _class_folders(folder)


def _class_folders(folder: Path) -> tuple[str, ...] | None:
    """Subfolders, if each of them holds images and nothing else does; `()` for images without class folders."""
    entries = [entry for entry in os.scandir(folder) if not entry.name.startswith(".")]
    if any(entry.name.lower().endswith(SUFFIXES) for entry in entries):
        return ()
    classes = sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
    if classes and all(_holds_pictures(folder / name) for name in classes):
        return tuple(classes)
    return None


def _holds_pictures(folder: Path) -> bool:
    with os.scandir(folder) as entries:
        return any(entry.name.lower().endswith(SUFFIXES) for entry in entries)


def _lists(folder: Path, files: Sequence[str], root: Path) -> list[FoundImages]:
    found = []
    for name in files:
        file = folder / name
        if name.lower().endswith(LISTS) and inside(file, root) and holds_list(file):
            one = FoundImages(file, "list")
            found.append(_labelled(one, root) if file.stat().st_size <= MOST_LISTED else one)
    return [one for one in found if one is not None]


def _shards(folder: Path, folders: Sequence[str], files: Sequence[str], root: Path) -> tuple[bool, list[FoundImages]]:
    """Whether all shards lie in folders of splits, and the sets that they make."""
    if folders and not files and all(name.lower() in SPLIT_NAMES for name in folders):
        inner = [folder / name / file for name in folders for file in _archives(os.listdir(folder / name))]
        if inner and _all_shards(inner, root):
            return True, _known([FoundImages(folder, "webdataset")], len(inner), root)
    groups = defaultdict[str, list[str]](list)
    for name in _archives(files):
        groups[re.sub(rf"[0-9]+|{'|'.join(SPLIT_NAMES)}", "", name.lower())].append(name)
    found: list[FoundImages] = []
    for names in groups.values():
        if _all_shards([folder / names[0]], root):
            pattern = names[0] if len(names) == 1 else f"{{{','.join(names)}}}"
            one = FoundImages(folder if len(groups) == 1 < len(names) else folder / pattern, "webdataset")
            found += _known([one], len(names), root)
    return False, found


def _archives(names: Sequence[str]) -> list[str]:
    return sorted(name for name in names if name.lower().endswith(ENDING) and not name.lower().endswith(".pth.tar"))


def _all_shards(files: Sequence[Path], root: Path) -> bool:
    return all(inside(file, root) for file in files) and holds_images(files[0])


def _known(sets: list[FoundImages], shards: int, root: Path) -> list[FoundImages]:
    if shards > MOST_SHARDS:
        return sets
    return [one for one in (_labelled(each, root) for each in sets) if one is not None]


def _labelled(one: FoundImages, root: Path) -> FoundImages | None:
    """With what its labels are; None for what can't be read after all."""
    path = str(one.path)
    data = ListData(kind="list", path=path) if one.kind == "list" else ShardsData(kind="webdataset", path=path)
    try:
        source = open_source(one.path.name, data, Place(Path, lambda file: inside(file, root)))
        names = source.ids
    except BadSuite:
        return None
    try:
        return FoundImages(one.path, one.kind, source.settle(None).ids)
    except BadSuite:
        return FoundImages(one.path, one.kind, numbered=bool(names))
