"""Whole-slide formats that OpenSlide reads, cropped to their scanned bounds as QuPath crops them."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from cerberus_annotate.errors import SlideError
from cerberus_annotate.slide.region import Region
from cerberus_annotate.slide.slide import Level, Rgb, Slide, level_downsample, over_colour, plausible_mpp

BLOCK = 512
"""Side in level px of the fixed blocks in which levels with a fractional downsample are read."""


LARGEST_TILE = 1 << 28
"""Pixels of a tile beyond which a file is called damaged: OpenSlide ends the whole process when it cannot allocate
a tile."""


class OpenSlideSlide(Slide):
    """A slide behind an `openslide.OpenSlide` handle (or anything that behaves as one)."""

    def __init__(self, path: Path, handle: Any, *, crop_bounds: bool = True) -> None:
        self._handle = handle
        properties = handle.properties
        full = handle.dimensions
        bounds = scanned_bounds(properties, full) if crop_bounds else Region(0, 0, *full)
        self._origin = (bounds.x, bounds.y)
        self._background = _background(properties)
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
            format=f"openslide: {properties.get('openslide.vendor', 'unknown')}",
        )

    def _read_inside(self, region: Region, level: int) -> Rgb:
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
            image = self._handle.read_region(location, level, (region.width, region.height))
        except openslide.OpenSlideError as error:
            raise SlideError(
                f"{self.path}: level {level} cannot be read at x={region.x}, y={region.y}, "
                f"{region.width} × {region.height} px ({error}). The file is damaged or incomplete; "
                "copy it again from the scanner or archive."
            ) from error
        return over_colour(np.asarray(image), self._background)

    def close(self) -> None:
        self._handle.close()


def open_with_openslide(path: Path, *, crop_bounds: bool = True) -> OpenSlideSlide | None:
    """The slide, or None where OpenSlide does not know the format. Raises SlideError where it knows it and
    cannot open it."""
    import openslide

    try:
        if openslide.OpenSlide.detect_format(path) is None:
            return None
        handle = openslide.OpenSlide(path)
    except openslide.OpenSlideUnsupportedFormatError:
        return None
    except openslide.OpenSlideError as error:
        raise SlideError(
            f"{path}: OpenSlide knows the format but cannot open the file ({error}). It is damaged or "
            "incomplete, or files that belong to it are missing; copy the slide again with all its files."
        ) from error
    try:
        for level in range(handle.level_count):
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
