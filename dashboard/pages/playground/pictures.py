"""Pictures from a person, checked before they are decoded; pictures for the page as data URIs."""

from __future__ import annotations

import base64
import binascii
import io
import re

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from core.errors import BadInput
from dashboard.ui import data_uri

MOST_BYTES = 700 * 1024
"""Of the encoded file; the page makes larger ones smaller before it sends them."""
MOST_PIXELS = 25_000_000
"""Of the decoded picture: 100 MB in memory. A file of a few kilobytes can claim a billion."""
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP")
_URI = re.compile(r"data:image/[a-z+.-]{1,20};base64,")


def read(uri: object, size: int) -> Tensor:
    """A data URI as uint8 `[1, size, size, 3]`: first frame, upright, on white, middle square. Raises `BadInput`."""
    if not isinstance(uri, str) or not (start := _URI.match(uri)):
        raise BadInput("A picture should be a PNG, JPEG, WebP, GIF or BMP file. Found something else.")
    if len(uri) > MOST_BYTES * 4 // 3 + 100:
        raise BadInput(f"A picture should be at most {MOST_BYTES // 1024} kB. Found more. Make it smaller.")
    try:
        raw = base64.b64decode(uri[start.end() :], validate=True)
    except (binascii.Error, ValueError):
        raise BadInput("The picture did not arrive complete. Try again.") from None
    return _tensor(_decode(raw), size)


def uri(pixels: Tensor, side: int = 64) -> str:
    """uint8 `[H, W, 3]` as a PNG data URI of `side` × `side` pixels; small pictures keep their pixels visible."""
    image = Image.fromarray(pixels.numpy())
    sharp = max(image.size) < side
    return data_uri(image.resize((side, side), Image.Resampling.NEAREST if sharp else Image.Resampling.LANCZOS))


def _decode(raw: bytes) -> Image.Image:
    try:
        # Opening reads the header alone, so the size is known before any pixel is.
        with Image.open(io.BytesIO(raw), formats=FORMATS) as image:
            width, height = image.size
            if width * height > MOST_PIXELS:
                raise BadInput(_too_large(f"{width} × {height} pixels"))
            upright = ImageOps.exif_transpose(image).convert("RGBA")
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise BadInput(_too_large("many more")) from None
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise BadInput(f"The picture can't be read: {str(error)[:120] or 'the file is damaged'}.") from None
    white = Image.new("RGBA", upright.size, "white")
    return Image.alpha_composite(white, upright).convert("RGB")


def _too_large(found: str) -> str:
    return f"A picture should have at most {MOST_PIXELS // 1_000_000} million pixels. Found {found}. Make it smaller."


def _tensor(image: Image.Image, size: int) -> Tensor:
    square = ImageOps.fit(image, (size, size), Image.Resampling.BICUBIC)
    return torch.from_numpy(np.array(square))[None]
