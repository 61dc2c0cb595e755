"""Kinds of `data:` in a suite file: adding an entry to `KINDS` adds one."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from core.tasks.sources.arrays import Arrays, ArraysData
from core.tasks.sources.base import Place, Source
from core.tasks.sources.folder import Folder, FolderData
from core.tasks.sources.hub_sets import Hub, HubData
from core.tasks.sources.lists import ImageList, ListData
from core.tasks.sources.parts import Data, Entry
from core.tasks.sources.shards import Shards, ShardsData
from core.tasks.sources.torchvision_sets import Torchvision, TorchvisionData

__all__ = ["KINDS", "Data", "DataEntry", "Entry", "HubData", "Place", "Source", "open_source"]

KINDS: dict[str, type[Source]] = {
    "arrays": Arrays,
    "folder": Folder,
    "list": ImageList,
    "webdataset": Shards,
    "torchvision": Torchvision,
    "hub": Hub,
}
"""Kind -> the source that reads it."""
DataEntry = Annotated[
    ArraysData | FolderData | ListData | ShardsData | TorchvisionData | HubData, Field(discriminator="kind")
]
"""`data:` of a task, told apart by `kind`."""


def open_source(task: str, entry: Data, place: Place) -> Source:
    """The source that a task's `data:` describes; nothing is read yet."""
    return KINDS[entry.kind](task, entry, place)
