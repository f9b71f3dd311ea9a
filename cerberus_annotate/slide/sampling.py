"""Pixels on a grid of any pixel size, the same whatever window they are read in, mirrored outside the image."""

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from cerberus_annotate.slide.region import Region
from cerberus_annotate.slide.slide import Rgb, Slide

BLOCK = 64
"""Side in grid px of the blocks that are resampled one by one."""

REDUCING = 1.2
"""Level px per grid px up to which a grid pixel is taken between the four level pixels around its centre, which is
five times faster than a filter as wide as a grid pixel and differs from it by less than a grey level on average."""

PARTS = 32
"""OpenCV interpolates at whole parts of a px; 1 << INTER_BITS."""

BAND = (16, 8192)
"""Rows and columns that are interpolated at a time: their map of 6 bytes a px stays in the processor's cache, and
their source is below OpenCV's limit of 32,767 px a side."""

OVERVIEW_SIDE = 4096
"""Side in level px of what `read_overview` has in memory at a time, so that slides without small levels fit."""


def grid_size(slide: Slide, scale: tuple[float, float]) -> tuple[int, int]:
    """(width, height) of the grid whose pixels cover `scale` level-0 px: all whose centre is in the image."""
    return (
        max(1, math.ceil(slide.width / scale[0] - 0.5)),
        max(1, math.ceil(slide.height / scale[1] - 0.5)),
    )


def read_scaled(slide: Slide, x: int, y: int, width: int, height: int, scale: tuple[float, float]) -> Rgb:
    """A window of the slide's grid at `scale`: uint8 (height, width, 3).

    The grid's pixel (0, 0) starts at the image's origin and each pixel covers `scale` = (sx, sy) level-0 px;
    x, y, width, height are in grid px and may reach outside the image, where it is mirrored (as numpy's
    "reflect"). A grid pixel has the same value in every window. Read from the level with
    the largest downsample that is not coarser than the grid; unchanged pixels where level and grid agree; between
    the four nearest (OpenCV's INTER_LINEAR) where the grid is finer or hardly coarser; else resampled with a triangle
    filter (Pillow's reducing BILINEAR). Raises SlideError where the file is damaged.
    """
    columns, rows = grid_size(slide, scale)
    at_x = _reflected(x, width, columns)
    at_y = _reflected(y, height, rows)
    left, top = int(at_x.min()), int(at_y.min())
    inside = _read_grid(slide, left, top, int(at_x.max()) + 1 - left, int(at_y.max()) + 1 - top, scale)
    return _picked(inside, at_y - top, at_x - left)


def read_overview(slide: Slide, scale: tuple[float, float]) -> Rgb:
    """The whole grid at `scale`: uint8 (rows, columns, 3), read piece by piece so that memory stays bounded."""
    columns, rows = grid_size(slide, scale)
    downsample = slide.levels[_level_for(slide, scale)].downsample
    side = max(1, int(OVERVIEW_SIDE * downsample / max(scale)) // BLOCK) * BLOCK
    pixels = np.empty((rows, columns, 3), np.uint8)
    for top in range(0, rows, side):
        for left in range(0, columns, side):
            width, height = min(side, columns - left), min(side, rows - top)
            pixels[top : top + height, left : left + width] = _read_grid(slide, left, top, width, height, scale)
    return pixels


def _reflected(start: int, count: int, size: int) -> NDArray[np.intp]:
    """Indices into 0..size-1 of start..start+count-1, mirrored at both ends without repeating the edge."""
    if size == 1:
        return np.zeros(count, np.intp)
    period = 2 * (size - 1)
    index = np.arange(start, start + count) % period
    return np.minimum(index, period - index)


def _level_for(slide: Slide, scale: tuple[float, float]) -> int:
    finest = min(scale) * 1.0001
    fitting = [i for i, level in enumerate(slide.levels) if level.downsample <= finest]
    return max(fitting, key=lambda i: slide.levels[i].downsample, default=0)


def _read_grid(slide: Slide, x: int, y: int, width: int, height: int, scale: tuple[float, float]) -> Rgb:
    """A window that lies inside the grid."""
    level = _level_for(slide, scale)
    step_x, step_y = (s / slide.levels[level].downsample for s in scale)
    if abs(step_x - 1) < 1e-6 and abs(step_y - 1) < 1e-6:
        return _read_with_edge(slide, Region(x, y, width, height), level)
    if max(step_x, step_y) <= REDUCING:
        return _interpolated(slide, Region(x, y, width, height), level, (step_x, step_y))
    return _reduced(slide, Region(x, y, width, height), level, (step_x, step_y), grid_size(slide, scale))


def _interpolated(slide: Slide, window: Region, level: int, step: tuple[float, float]) -> Rgb:
    """A window (grid px) between the four nearest pixels of the level each; step: level px per grid px."""
    import cv2

    # Counted in parts of a level px from the level's corner, so that a pixel's weights do not hang on the window.
    at_x, at_y = (
        np.rint(((np.arange(start, start + count) + 0.5) * by - 0.5) * PARTS).astype(np.int64)
        for start, count, by in ((window.x, window.width, step[0]), (window.y, window.height, step[1]))
    )
    left, top = int(at_x[0]) // PARTS, int(at_y[0]) // PARTS
    right, bottom = int(at_x[-1]) // PARTS + 2, int(at_y[-1]) // PARTS + 2
    source = _read_with_edge(slide, Region(left, top, right - left, bottom - top), level)
    whole_x, whole_y = at_x // PARTS - left, at_y // PARTS - top
    part_x, part_y = (at_x % PARTS).astype(np.uint16), (at_y % PARTS * PARTS).astype(np.uint16)
    pixels = np.empty((window.height, window.width, 3), np.uint8)
    for first in range(0, window.width, BAND[1]):
        x = slice(first, min(first + BAND[1], window.width))
        start, end = int(whole_x[x.start]), int(whole_x[x.stop - 1]) + 2
        # where to look, as OpenCV wants it: whole px, and an index into its table of weights
        places = np.empty((BAND[0], x.stop - x.start, 2), np.int16)
        places[..., 0] = whole_x[x] - start
        weights = np.empty(places.shape[:2], np.uint16)
        for row in range(0, window.height, BAND[0]):
            y = slice(row, min(row + BAND[0], window.height))
            count = y.stop - y.start
            above, below = int(whole_y[y.start]), int(whole_y[y.stop - 1]) + 2
            places[:count, :, 1] = (whole_y[y] - above).astype(np.int16)[:, None]
            np.add(part_y[y, None], part_x[x], out=weights[:count])
            band = source[above:below, start:end]
            cv2.remap(band, places[:count], weights[:count], cv2.INTER_LINEAR, dst=pixels[y, x])
    return pixels


def _reduced(slide: Slide, window: Region, level: int, step: tuple[float, float], grid: tuple[int, int]) -> Rgb:
    """A window (grid px) of a grid of `grid` px from a finer level by a triangle filter; step: level px per grid px."""
    from PIL import Image

    x, y, width, height = window.x, window.y, window.width, window.height
    step_x, step_y = step
    spans_x, spans_y = _spans(x, width, grid[0], step_x), _spans(y, height, grid[1], step_y)
    left, top = spans_x[0].source, spans_y[0].source
    right, bottom = spans_x[-1].source_end, spans_y[-1].source_end
    source = _read_with_edge(slide, Region(left, top, right - left, bottom - top), level)
    pixels = np.empty((spans_y[-1].end - spans_y[0].start, spans_x[-1].end - spans_x[0].start, 3), np.uint8)
    for v in spans_y:
        for u in spans_x:
            block = source[v.source - top : v.source_end - top, u.source - left : u.source_end - left]
            box = (
                u.start * step_x - u.source,
                v.start * step_y - v.source,
                u.end * step_x - u.source,
                v.end * step_y - v.source,
            )
            size = (u.end - u.start, v.end - v.start)
            image = Image.fromarray(np.ascontiguousarray(block))
            pixels[
                v.start - spans_y[0].start : v.end - spans_y[0].start,
                u.start - spans_x[0].start : u.end - spans_x[0].start,
            ] = np.asarray(image.resize(size, Image.Resampling.BILINEAR, box))
    x -= spans_x[0].start
    y -= spans_y[0].start
    return np.ascontiguousarray(pixels[y : y + height, x : x + width])


@dataclass(frozen=True)
class _Span:
    """One side of a block: grid px start..end, made from level px source..source_end."""

    start: int
    end: int
    source: int
    source_end: int


def _spans(start: int, count: int, size: int, step: float) -> list[_Span]:
    """The blocks of the grid that start..start+count-1 touches; the last ends with the grid.

    Pillow takes its box in single precision and rounds between its two passes, so a pixel's value hangs on the
    box. Blocks that lie still give it the same box in every window.
    """
    pad = math.ceil(step) + 2
    spans = []
    for first in range(start // BLOCK * BLOCK, start + count, BLOCK):
        end = min(first + BLOCK, size)
        spans.append(_Span(first, end, math.floor(first * step) - pad, math.ceil(end * step) + pad))
    return spans


def _read_with_edge(slide: Slide, region: Region, level: int) -> Rgb:
    """As `slide.read`, but the outermost pixels of the level repeated outside it instead of white."""
    size = slide.levels[level]
    left = min(max(region.x, 0), size.width - 1)
    top = min(max(region.y, 0), size.height - 1)
    right = max(min(region.x + region.width, size.width), left + 1)
    bottom = max(min(region.y + region.height, size.height), top + 1)
    pixels = slide.read(Region(left, top, right - left, bottom - top), level)
    before_x, before_y = left - region.x, top - region.y
    after_x, after_y = region.x + region.width - right, region.y + region.height - bottom
    if not (before_x or before_y or after_x or after_y):
        return pixels
    # a window that starts past the level's last pixel holds nothing but that pixel
    rows = np.clip(np.arange(-before_y, pixels.shape[0] + after_y), 0, pixels.shape[0] - 1)
    columns = np.clip(np.arange(-before_x, pixels.shape[1] + after_x), 0, pixels.shape[1] - 1)
    return _picked(pixels, rows, columns)


def _picked(pixels: Rgb, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> Rgb:
    """pixels[rows][:, columns]; stretches of columns side by side are copied at once, which is far faster."""
    if not np.array_equal(columns, np.arange(pixels.shape[1])):
        stretches = [0, *np.flatnonzero(np.diff(columns) != 1) + 1, len(columns)]
        whole, pixels = pixels, np.empty((pixels.shape[0], len(columns), 3), np.uint8)
        for start, end in pairwise(stretches):
            pixels[:, start:end] = whole[:, columns[start] : columns[start] + end - start]
    return pixels if np.array_equal(rows, np.arange(pixels.shape[0])) else pixels[rows]
