"""One image file -> pixels, whatever somebody put there: bounded in size, in formats and in what is run."""

from __future__ import annotations

import struct
import warnings
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from PIL import Image, UnidentifiedImageError

MAX_PIXELS = 50_000_000
"""Width × height above which an image is refused unread; as large as good cameras make them."""
MAX_BYTES = 256 * 2**20
"""Bytes of one image file."""
FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP", "TIFF", "PPM")
"""What is decoded. Pillow knows more, some of which call other programs."""
SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm")
BROKEN = (OSError, ValueError, SyntaxError, EOFError, IndexError, KeyError, TypeError, AttributeError, OverflowError,
          NotImplementedError, MemoryError, struct.error, zlib.error)  # fmt: skip
"""What Pillow raises for damaged files."""


class Unreadable(Exception):
    """A file is no image that can be used; `str()` says why in a few words."""


# An error, not a warning, and for the whole process: filters that are set for a moment are not safe in threads.
Image.MAX_IMAGE_PIXELS = MAX_PIXELS
warnings.filterwarnings("error", category=Image.DecompressionBombWarning)


@dataclass(frozen=True)
class Fitting:
    """How a picture is brought to the size that a model takes."""

    size: tuple[int, int]
    """Height and width in pixels."""
    make: Callable[[], tuple[Callable[[Image.Image], Image.Image], str]]
    """Gives `apply` and `identity`; not called before one of them is needed."""

    @property
    def apply(self) -> Callable[[Image.Image], Image.Image]:
        """Brings a picture to that size."""
        return self.make()[0]

    @property
    def identity(self) -> str:
        """Says everything that the result depends on beside the picture."""
        return self.make()[1]


def open_picture(file: Path | IO[bytes]) -> Image.Image:
    """The decoded picture, its first frame where it has several; raises `Unreadable`."""
    if isinstance(file, Path):
        try:
            size = file.stat().st_size
        except OSError as error:
            raise Unreadable(f"can't be read: {error.strerror}") from None
        if size == 0:
            raise Unreadable("0 bytes")
        if size > MAX_BYTES:
            raise Unreadable(f"{size >> 20} MiB, more than {MAX_BYTES >> 20}")
    try:
        with Image.open(file, formats=FORMATS) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                raise Unreadable(f"{picture.width} × {picture.height} pixels, more than {MAX_PIXELS:,}")
            picture.load()
            # What is transparent in a palette is not asked for, and Pillow would warn about it.
            picture.info.pop("transparency", None)
            return picture.copy()
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise Unreadable(f"more than {MAX_PIXELS:,} pixels") from None
    except UnidentifiedImageError:
        raise Unreadable("no image") from None
    except BROKEN as error:
        raise Unreadable(f"damaged: {str(error)[:80] or type(error).__name__}") from None


def fitted(picture: Image.Image, fitting: Fitting) -> np.ndarray:
    """uint8 `[H, W, 3]` of the size that the model takes; raises `Unreadable`."""
    try:
        pixels = np.asarray(fitting.apply(picture).convert("RGB"))
    except BROKEN as error:
        raise Unreadable(f"can't be resized: {str(error)[:80]}") from None
    if pixels.shape != (*fitting.size, 3):
        raise Unreadable(f"{picture.width} × {picture.height} pixels, too narrow to be resized")
    return pixels
