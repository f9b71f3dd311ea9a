"""Whole-slide formats that OpenSlide reads, cropped to their scanned bounds as QuPath crops them."""

import math
import threading
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from cerberus_annotate.errors import SlideError
from cerberus_annotate.slide.openslide_handle import SharedHandle, open_handle
from cerberus_annotate.slide.openslide_tiles import open_plain_tiles
from cerberus_annotate.slide.region import Region
from cerberus_annotate.slide.slide import Level, Rgb, Slide, level_downsample, plausible_mpp
from cerberus_annotate.slide.tiff_tiles import TiffTiles

BLOCK = 512
"""Side in level px of the fixed blocks in which levels with a fractional downsample are read."""


LARGEST_TILE = 1 << 28
"""Pixels of a tile beyond which a file is called damaged: OpenSlide ends the whole process when it cannot allocate
a tile."""


class OpenSlideSlide(Slide):
    """A slide that OpenSlide opens."""

    def __init__(self, path: Path, handle: SharedHandle, *, crop_bounds: bool = True) -> None:
        self._handle = handle
        self._direct_lock = threading.Lock()
        self._direct_levels: dict[int, bool] = {}
        self._tiles: TiffTiles | None = None
        properties = handle.properties
        full = handle.dimensions
        bounds = scanned_bounds(properties, full) if crop_bounds else Region(0, 0, *full)
        self._origin = (bounds.x, bounds.y)
        self._background = _background(properties)
        self._vendor = properties.get("openslide.vendor", "unknown")
        cropped = (bounds.width, bounds.height) != full
        levels = []
        for index, size in enumerate(handle.level_dimensions):
            downsample = level_downsample(full, size) if index else 1.0
            if cropped:
                size = (
                    max(1, math.floor(bounds.width / downsample)),
                    max(1, math.floor(bounds.height / downsample)),
                )
            levels.append(Level(downsample, *size))
        super().__init__(
            path,
            tuple(levels),
            mpp=plausible_mpp(_number(properties, "openslide.mpp-x"), _number(properties, "openslide.mpp-y")),
            magnification=_number(properties, "openslide.objective-power"),
            format=f"openslide: {self._vendor}",
        )

    def _read_inside(self, region: Region, level: int) -> Rgb:
        if (tiles := self._direct_tiles(level)) is not None:
            try:
                return tiles.read(region, level)
            except SlideError:
                pass  # OpenSlide has the last word on what is damaged
        if float(self._handle.level_downsamples[level]).is_integer():
            return self._read_at(region, level)
        # OpenSlide interpolates where a whole level-0 location falls between two pixels of the level. In
        # blocks that always start at the same place a pixel gets the same value in whatever window it is read.
        pixels = np.empty((region.height, region.width, 3), np.uint8)
        size = self.levels[level]
        for top in range(region.y // BLOCK * BLOCK, region.y + region.height, BLOCK):
            for left in range(region.x // BLOCK * BLOCK, region.x + region.width, BLOCK):
                block = Region(left, top, min(BLOCK, size.width - left), min(BLOCK, size.height - top))
                x0, x1 = max(left, region.x), min(left + block.width, region.x + region.width)
                y0, y1 = max(top, region.y), min(top + block.height, region.y + region.height)
                source = self._read_at(block, level)[y0 - top : y1 - top, x0 - left : x1 - left]
                pixels[y0 - region.y : y1 - region.y, x0 - region.x : x1 - region.x] = source
        return pixels

    def _read_at(self, region: Region, level: int) -> Rgb:
        import openslide

        # our level pixel -> OpenSlide's pixel of the level -> location in level-0 px of the whole file
        ours, theirs = self.levels[level].downsample, self._handle.level_downsamples[level]
        location = (
            round((region.x + self._origin[0] / ours) * theirs),
            round((region.y + self._origin[1] / ours) * theirs),
        )
        try:
            return self._handle.read(location, level, (region.width, region.height), self._background)
        except openslide.OpenSlideError as error:
            raise SlideError(
                f"{self.path}: level {level} cannot be read at x={region.x}, y={region.y}, "
                f"{region.width} × {region.height} px ({error}). The file is damaged or incomplete; "
                "copy it again from the scanner or archive."
            ) from error

    def _direct_tiles(self, level: int) -> TiffTiles | None:
        """The file's own tiles, where those of a level give the very pixels that OpenSlide gives.

        OpenSlide takes 15 ns a pixel to lay even decoded tiles into a region; copied by numpy it is below 1 ns.
        """
        with self._direct_lock:
            if self._tiles is None and not self._direct_levels and self._origin == (0, 0):
                self._tiles = open_plain_tiles(self.path, self._vendor, self._handle.level_dimensions)
            if level not in self._direct_levels:
                self._direct_levels[level] = self._tiles is not None and self._agrees(self._tiles, level)
            return self._tiles if self._direct_levels[level] else None

    def _agrees(self, tiles: TiffTiles, level: int) -> bool:
        # where the downsample is a fraction OpenSlide interpolates everywhere but at the origin
        whole = float(self._handle.level_downsamples[level]).is_integer()
        try:
            sample = tiles.sample(level, at_origin=not whole)
            return sample is not None and np.array_equal(tiles.read(sample, level), self._read_at(sample, level))
        except SlideError:
            return False

    def close(self) -> None:
        self._handle.close()
        if self._tiles is not None:
            self._tiles.close()


def open_with_openslide(path: Path, *, crop_bounds: bool = True) -> OpenSlideSlide | None:
    """The slide, or None where OpenSlide does not know the format. Raises SlideError where it knows it and
    cannot open it."""
    import openslide

    try:
        if openslide.OpenSlide.detect_format(path) is None:
            return None
        handle = open_handle(path)
    except openslide.OpenSlideUnsupportedFormatError:
        return None
    except openslide.OpenSlideError as error:
        raise SlideError(
            f"{path}: OpenSlide knows the format but cannot open the file ({error}). It is damaged or "
            "incomplete, or files that belong to it are missing; copy the slide again with all its files."
        ) from error
    try:
        for level in range(len(handle.level_dimensions)):
            name = f"openslide.level[{level}].tile-"
            tile = [_number(handle.properties, name + side) or 1 for side in ("width", "height")]
            if tile[0] * tile[1] > LARGEST_TILE:
                raise SlideError(
                    f"{path}: level {level} claims tiles of {tile[0]:.0f} × {tile[1]:.0f} px. The file is damaged; "
                    "copy it again from the scanner or archive."
                )
        return OpenSlideSlide(path, handle, crop_bounds=crop_bounds)
    except BaseException:
        handle.close()
        raise


def scanned_bounds(properties: Mapping[str, str], full: tuple[int, int]) -> Region:
    """The rectangle in level-0 px of the whole file that QuPath shows: `openslide.bounds-*`, else all of it."""
    x = int(_number(properties, "openslide.bounds-x") or 0)
    y = int(_number(properties, "openslide.bounds-y") or 0)
    width = int(_number(properties, "openslide.bounds-width") or full[0])
    height = int(_number(properties, "openslide.bounds-height") or full[1])
    return Region(x, y, width, height)


def _number(properties: Mapping[str, str], name: str) -> float | None:
    try:
        value = float(properties[name])
    except (KeyError, ValueError):
        return None
    return value if math.isfinite(value) else None


def _background(properties: Mapping[str, str]) -> tuple[int, int, int]:
    """What lies under transparent pixels: the colour that the file names, else white."""
    try:
        value = int(properties.get("openslide.background-color", "FFFFFF"), 16)
    except ValueError:
        value = 0xFFFFFF
    return (value >> 16 & 255, value >> 8 & 255, value & 255)
