"""Which of OpenSlide's slides lie in the file as plain tiles, so that these may be read without OpenSlide."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cerberus_annotate.slide.tiff_tiles import TiffTiles

PLAIN_VENDORS = {"generic-tiff", "aperio"}
"""Formats whose levels are tiled TIFF pages with the tiles side by side: no bounds, no overlaps, no stitching."""

SAME_DECODERS = {1, 5, 7, 8, 32946}
"""TIFF compression codes (none, LZW, JPEG, deflate) that leave a decoder no choice, or for which both have the same
one (libjpeg-turbo). JPEG 2000 is not among them: OpenSlide decodes it as fast."""


def open_plain_tiles(path: Path, vendor: str, sizes: Sequence[tuple[int, int]]) -> TiffTiles | None:
    """The tiles of the levels of `sizes` (width, height); None where no level can be read from them."""
    import tifffile

    if vendor not in PLAIN_VENDORS:
        return None
    try:
        tiff = tifffile.TiffFile(path)
    except Exception:  # what tifffile cannot parse OpenSlide still reads
        return None
    try:
        plain = [page for page in (entry.aspage() for entry in tiff.pages) if _is_plain(page)]
    except Exception:
        plain = []
    pages = [next((page for page in plain if (page.imagewidth, page.imagelength) == size), None) for size in sizes]
    if any(page is not None for page in pages):
        return TiffTiles(path, tiff, pages)
    tiff.close()
    return None


def _is_plain(page: Any) -> bool:
    """Whether a page is 8-bit RGB (JPEG: YCbCr, too) in tiles that hold all three samples."""
    colours = {2, 6} if page.compression == 7 else {2}
    return bool(
        page.is_tiled
        and page.compression in SAME_DECODERS
        and int(page.photometric) in colours
        and page.planarconfig == 1
        and page.samplesperpixel == 3
        and page.dtype == np.uint8
        and page.imagedepth == 1
        and page.tags.valueof("Orientation", 1) == 1
    )
