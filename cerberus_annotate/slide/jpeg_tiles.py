"""JPEG tiles of TIFF pages, decoded so that a damaged one is noticed.

imagecodecs (and Pillow, and OpenCV) show grey or garbage for what libjpeg only warns of: a stream that ends early, or
that does not fit. OpenSlide calls both errors, and so does simplejpeg, at the same speed.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

JPEG, RGB, YCBCR = 7, 2, 6
"""TIFF codes of the compression and of the two photometric interpretations."""

START = b"\xff\xd8"
END = b"\xff\xd9"

ADOBE = b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00"
"""A segment that ends with one byte more: 0 where the three components are red, green, blue, 1 for YCbCr.  Without it
a decoder guesses, and guesses wrong on Aperio's tiles."""


def is_jpeg(page: Any) -> bool:
    """Whether `decode_jpeg` reads the tiles or strips of a tifffile page: JPEG, three samples of 8 bits a pixel."""
    return bool(
        page.compression == JPEG
        and int(page.photometric) in (RGB, YCBCR)
        and page.planarconfig == 1
        and page.samplesperpixel == 3
        and page.dtype == np.uint8
        and page.jpegheader is None
    )


def decode_jpeg(page: Any, data: bytes, largest: tuple[int, int]) -> NDArray[np.uint8]:
    """A tile or strip as uint8 (h, w, 3).  Raises ValueError for what is damaged or larger than (width, height)."""
    import simplejpeg

    tables = page.jpegtables or START + END
    if not data.startswith(START):
        raise ValueError(f"not JPEG data: it starts with {data[:2].hex(' ')}")
    transform = bytes([int(page.photometric) == YCBCR])
    whole = START + ADOBE + transform + tables[2:-2] + data[2:]
    height, width, *_ = simplejpeg.decode_jpeg_header(whole)
    if width > largest[0] or height > largest[1]:
        raise ValueError(f"{width} × {height} px in a tile of {largest[0]} × {largest[1]} px")
    return np.asarray(simplejpeg.decode_jpeg(whole, colorspace="RGB", strict=True))
