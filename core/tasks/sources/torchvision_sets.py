"""`kind: torchvision`: data sets that torchvision reads from a folder, and fetches only where that is asked for."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from PIL import Image, UnidentifiedImageError

from core.errors import BadSuite
from core.tasks.decode import BROKEN, Unreadable
from core.tasks.images import Listing
from core.tasks.prompts import prompt_set
from core.tasks.sources.base import Source
from core.tasks.sources.parts import Data
from core.tasks.sources.walk import walk


@dataclass(frozen=True)
class TorchvisionSet:
    """How one data set of torchvision is opened."""

    prompts: str
    """The published set of class names and templates."""
    splits: dict[str, dict[str, Any]]
    """Split -> arguments that choose it."""
    base: str
    """Its folder below the root; empty where its files lie in the root itself."""
    order: tuple[str, ...] = ()
    """Class names in the order of its labels, where that is not the published one."""
    first: int = 0
    """The smallest label."""
    transposed: bool = False
    """Whether rows and columns of its images are exchanged."""
    needs: str = ""
    """A package beside torchvision that reads it."""
    fetched: bool = True
    """Whether torchvision can fetch it."""


def _named(*, train: str = "train", held_out: str = "", test: str = "test") -> dict[str, dict[str, Any]]:
    own = {"train": train, "held-out": held_out, "test": test}
    return {split: {"split": name} for split, name in own.items() if name}


_FLAG: dict[str, dict[str, Any]] = {"train": {"train": True}, "test": {"train": False}}
_LETTERS: dict[str, dict[str, Any]] = {split: {"split": "letters", **flag} for split, flag in _FLAG.items()}
_EMOTIONS = ("angry", "disgusted", "fearful", "happy", "sad", "surprised", "neutral")

SETS: dict[str, TorchvisionSet] = {
    "CIFAR10": TorchvisionSet("cifar10", _FLAG, "cifar-10-batches-py"),
    "CIFAR100": TorchvisionSet("cifar100", _FLAG, "cifar-100-python"),
    "DTD": TorchvisionSet("dtd", _named(held_out="val"), "dtd"),
    "EMNIST": TorchvisionSet("emnist_letters", _LETTERS, "EMNIST", first=1, transposed=True),
    "EuroSAT": TorchvisionSet("eurosat", {"test": {}}, "eurosat"),
    "FER2013": TorchvisionSet("fer2013", _named(), "fer2013", order=_EMOTIONS, fetched=False),
    "FashionMNIST": TorchvisionSet("fashion_mnist", _FLAG, "FashionMNIST"),
    "Flowers102": TorchvisionSet("oxford_flowers102", _named(held_out="val"), "flowers-102"),
    "Food101": TorchvisionSet("food101", _named(), "food-101"),
    "GTSRB": TorchvisionSet("gtsrb", _named(), "gtsrb"),
    "KMNIST": TorchvisionSet("kmnist", _FLAG, "KMNIST"),
    "MNIST": TorchvisionSet("mnist", _FLAG, "MNIST"),
    "OxfordIIITPet": TorchvisionSet("oxford-iiit-pet", _named(train="trainval"), "oxford-iiit-pet"),
    "PCAM": TorchvisionSet("pcam", _named(held_out="val"), "pcam", needs="h5py"),
    "RenderedSST2": TorchvisionSet("rendered-sst2", _named(held_out="val"), "rendered-sst2"),
    "STL10": TorchvisionSet("stl10", _named(), "stl10_binary"),
    "SUN397": TorchvisionSet("sun397", {"test": {}}, "SUN397"),
    "SVHN": TorchvisionSet("svhn", _named(), ""),
    "StanfordCars": TorchvisionSet("stanford-cars", _named(), "stanford_cars"),
}
"""EuroSAT and SUN397 have no splits of their own there: all images are `test`, and `held_out` divides them."""
Name = Literal[
    "CIFAR10", "CIFAR100", "DTD", "EMNIST", "EuroSAT", "FER2013", "FashionMNIST", "Flowers102", "Food101", "GTSRB",
    "KMNIST", "MNIST", "OxfordIIITPet", "PCAM", "RenderedSST2", "STL10", "SUN397", "SVHN", "StanfordCars",
]  # fmt: skip
LABELS = ("targets", "labels", "_labels", "_samples")
"""Where the data sets keep their labels, alone or beside what they belong to."""


class TorchvisionData(Data):
    """A data set of torchvision in the folder `root`, laid out as torchvision lays it out."""

    kind: Literal["torchvision"]
    dataset: Name
    root: str
    download: bool = False
    """Fetch it into `root` where it is not there."""


class Torchvision(Source):
    """Labels come from the data set's own table; images are decoded by torchvision's reader."""

    entry: TorchvisionData
    field = "root"

    @property
    def where(self) -> str:
        return f"{self.entry.dataset} in {self.entry.root}"

    def missing(self) -> str | None:
        """The root, where it is not there and nothing is to be fetched."""
        gone = None if self.entry.download else super().missing()
        return gone and f"{gone} (root of {self.entry.dataset})"

    @property
    def ids(self) -> tuple[str, ...]:
        """The published class names in the order of the data set's labels."""
        return self._known.order or prompt_set(self._known.prompts).classes

    @property
    def own_splits(self) -> tuple[str, ...]:
        """Those that the data set is published with."""
        return tuple(self._known.splits)

    @property
    def state(self) -> tuple[object, ...]:
        """Names, sizes and times of the data set's files."""
        self._listed(self.own_splits[0])  # Fetched now, if at all.
        return (self._stamp,)

    def look(self, split: str) -> Listing:
        """All images of a split, in the data set's order."""
        found, known, lock = self._open(split), self._known, threading.Lock()
        labels = _labels(found)

        def picture(index: int) -> Image.Image:
            try:
                if known.needs:  # HDF5 reads one at a time.
                    with lock:
                        image = found[index][0]
                else:
                    image = found[index][0]
            except (*BROKEN, UnidentifiedImageError, Image.DecompressionBombError, Image.DecompressionBombWarning) as e:
                raise Unreadable(f"damaged: {str(e)[:80] or type(e).__name__}") from None
            assert isinstance(image, Image.Image)
            return image.transpose(Image.Transpose.TRANSPOSE) if known.transposed else image

        return Listing(
            title=f"task `{self.task}`, split {split}",
            count=len(found),
            labels=None if labels is None else labels - known.first,
            picture=picture,
            name=lambda index: f"image {index}",
            identity=hashlib.sha256(repr((self._stamp, split)).encode()).hexdigest(),
        )

    @property
    def _known(self) -> TorchvisionSet:
        return SETS[self.entry.dataset]

    @cached_property
    def _stamp(self) -> tuple[object, ...]:
        root = self.files[0]
        base = root / self._known.base
        files = [] if not base.is_dir() else list(walk(base, self.place))
        return (self.entry.dataset, [(str(f.path.relative_to(root)), f.size, f.changed) for f in files])

    def _open(self, split: str) -> Any:
        from torchvision import datasets

        root, name = self.files[0], self.entry.dataset
        processed = root / self._known.base / "processed"
        if processed.is_dir() and any(processed.glob("*.pt")):
            # torchvision would unpickle these instead of reading the files of today's layout.
            raise BadSuite(
                f"Task `{self.task}`: `{self.entry.root}` holds {name} as old PyTorch files (`processed/*.pt`), which "
                "are not opened. Remove that folder; the files in `raw` are enough."
            )
        fetch = {"download": self.entry.download} if self._known.fetched else {}
        try:
            return getattr(datasets, name)(str(root), **self._known.splits[split], **fetch)
        except (RuntimeError, OSError, ValueError, KeyError, EOFError, ImportError) as error:
            raise self._unusable(error) from None

    def _unusable(self, error: Exception) -> BadSuite:
        fetch = ", or set `download: true`" if self._known.fetched else ""
        needs = f"install `{self._known.needs}`, or " if isinstance(error, ImportError) and self._known.needs else ""
        return BadSuite(
            f"Task `{self.task}`: torchvision should find {self.entry.dataset} in `{self.entry.root}`. "
            f"Found: {str(error).splitlines()[0][:200]} To fix this, {needs}put its files there{fetch}."
        )


def _labels(found: Any) -> np.ndarray | None:
    """Labels int64 `[N]` of a data set of torchvision; None where it has none."""
    for name in LABELS:
        own = getattr(found, name, None)
        if own is not None:
            each = [item[1] for item in own] if name == "_samples" else list(own)
            break
    else:
        each = [found[index][1] for index in range(len(found))]
    return None if any(label is None for label in each) else np.array([int(label) for label in each], np.int64)
