"""The tiles or strips of a TIFF file: each decoded once while it is in a bounded store that all threads share."""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cerberus_annotate.errors import SlideError
from cerberus_annotate.slide.jpeg_tiles import decode_jpeg, is_jpeg
from cerberus_annotate.slide.region import Region

CACHE_BYTES = 96 << 20
"""Decoded tiles and strips kept per file: what two windows of 3,300 × 3,300 px touch, so that a window shares its
tiles with the one before it also where two threads read by turns."""

JPEG_COMPRESSIONS = {6, 7, 34892, 33007}
"""TIFF compression codes whose segments need the page's JPEG tables."""


class TiffTiles:
    """Pixels of a TIFF file's levels; reads from several threads are safe.

    pages: tifffile's, one a level; None for a level that is not to be read here.
    """

    def __init__(self, path: Path, tiff: Any, pages: Sequence[Any | None]) -> None:
        self._path = path
        self._tiff = tiff
        self._pages = pages
        self._cache: OrderedDict[tuple[int, int], NDArray[np.uint8] | None] = OrderedDict()
        self._cache_bytes = 0
        self._cache_lock = threading.Lock()
        self._file_lock = threading.Lock()  # tifffile's own lock is a dummy unless a file is opened with it

    def read(self, region: Region, level: int) -> NDArray[np.uint8]:
        """A rectangle inside a level, in its px: uint8 (height, width, samples); 255 where the file holds no tile.

        Raises SlideError where a tile cannot be decoded.
        """
        page: Any = self._pages[level]
        tile_width, tile_height = tile_size(page)
        across, down = -(-page.imagewidth // tile_width), -(-page.imagelength // tile_height)
        planes = page.samplesperpixel if page.planarconfig == 2 else 1
        samples = np.full((region.height, region.width, page.samplesperpixel), 255, np.uint8)
        for row in range(region.y // tile_height, -(-(region.y + region.height) // tile_height)):
            for column in range(region.x // tile_width, -(-(region.x + region.width) // tile_width)):
                left, top = column * tile_width, row * tile_height
                for plane in range(planes):
                    segment = self._segment(level, (plane * down + row) * across + column, (left, top))
                    if segment is None:
                        continue
                    x0, x1 = max(left, region.x), min(left + segment.shape[1], region.x + region.width)
                    y0, y1 = max(top, region.y), min(top + segment.shape[0], region.y + region.height)
                    kept = slice(plane, plane + 1) if planes > 1 else slice(None)
                    samples[y0 - region.y : y1 - region.y, x0 - region.x : x1 - region.x, kept] = segment[
                        y0 - top : y1 - top, x0 - left : x1 - left
                    ]
        return samples

    def sample(self, level: int, at_origin: bool) -> Region | None:
        """The tile of the most bytes, or the one at the origin; None for a level that misses tiles or has no page."""
        page = self._pages[level]
        if page is None:
            return None
        with self._file_lock:
            lengths = np.asarray(page.databytecounts)
        if not lengths.all():
            return None
        width, height = tile_size(page)
        row, column = divmod(0 if at_origin else int(lengths.argmax()), -(-page.imagewidth // width))
        left, top = column * width, row * height
        return Region(left, top, min(width, page.imagewidth - left), min(height, page.imagelength - top))

    def _segment(self, level: int, index: int, at: tuple[int, int]) -> NDArray[np.uint8] | None:
        """A decoded tile or strip, uint8 (h, w, samples), or None where the file holds none (not scanned)."""
        with self._cache_lock:
            if (level, index) in self._cache:
                self._cache.move_to_end((level, index))
                return self._cache[level, index]
        segment = self._decode(level, index, at)
        size = 0 if segment is None else segment.nbytes
        with self._cache_lock:
            if (level, index) not in self._cache:
                self._cache[level, index] = segment
                self._cache_bytes += size
            while self._cache_bytes > CACHE_BYTES and len(self._cache) > 1:
                _, dropped = self._cache.popitem(last=False)
                self._cache_bytes -= 0 if dropped is None else dropped.nbytes
        return segment

    def _decode(self, level: int, index: int, at: tuple[int, int]) -> NDArray[np.uint8] | None:
        page: Any = self._pages[level]
        file = self._tiff.filehandle
        tables: dict[str, Any] = {}
        try:
            with self._file_lock:  # tags, too, may be read from the file only now
                length = page.databytecounts[index]
                if length == 0:
                    return None
                strict = is_jpeg(page)
                if page.compression in JPEG_COMPRESSIONS:
                    tables = {"jpegtables": page.jpegtables, "jpegheader": page.jpegheader}
                decode = page.decode
                file.seek(page.dataoffsets[index])
                data = file.read(length)
            if len(data) != length:
                raise EOFError(f"{length} bytes expected, {len(data)} there")
            if strict:
                segment = decode_jpeg(page, data, tile_size(page))
            elif (segment := decode(data, index, **tables)[0]) is not None:
                segment = segment[0]
            _check_size(page, segment, at)
        except Exception as error:  # codecs raise their own kinds; to the user each is a damaged file
            raise SlideError(
                f"{self._path}: the tile at x={at[0]}, y={at[1]} of level {level} cannot be decoded ({error}). The "
                "file is damaged or incomplete; copy it again from its source."
            ) from error
        return segment

    def close(self) -> None:
        """Let go of the file; what is not decoded yet can no longer be read."""
        self._tiff.close()


def tile_size(page: Any) -> tuple[int, int]:
    """(width, height) in px of a page's tiles, or of its strips."""
    if page.is_tiled:
        return page.tilewidth, page.tilelength
    return page.imagewidth, min(page.rowsperstrip, page.imagelength)


def _check_size(page: Any, segment: NDArray[np.uint8] | None, at: tuple[int, int]) -> None:
    """Raise ValueError where a tile or strip does not reach as far as the image does there."""
    width, height = tile_size(page)
    needed = min(height, page.imagelength - at[1]), min(width, page.imagewidth - at[0])
    if segment is not None and (segment.shape[0] < needed[0] or segment.shape[1] < needed[1]):
        raise ValueError(f"{segment.shape[1]} × {segment.shape[0]} px are too few")
