"""What every reader offers: an RGB image with levels, pixel size and rectangular reads."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from cerberus_annotate.slide.recipe import SlideRecipe
from cerberus_annotate.slide.region import Region

Rgb = NDArray[np.uint8]
"""Pixels, uint8, shape (height, width, 3), red green blue."""

PLAUSIBLE_MPP = (0.01, 20.0)
"""µm/px of anything a microscope makes; resolution tags for print (72 dpi is 353 µm/px) fall outside."""


@dataclass(frozen=True)
class Level:
    """One resolution of a slide: level-0 pixels a pixel of it covers a side, and its size in its own pixels."""

    downsample: float
    width: int
    height: int


class Slide(ABC):
    """An open image; (0, 0) is the upper left corner as QuPath shows it. Reads from several threads are safe.

    Attributes:
        path: the file (for DICOM: the file that stands for its folder).
        width, height: size in level-0 px.
        mpp: (x, y) µm per level-0 px, or None where the file does not say.
        magnification: objective power, or None.
        levels: from the full resolution to the smallest.
        format: which library reads it and as what, for people to read.
        recipe: how to open it again elsewhere; None where `open_slide` did not open it (pixels in memory).
    """

    recipe: SlideRecipe | None = None

    def __init__(
        self,
        path: Path,
        levels: tuple[Level, ...],
        *,
        mpp: tuple[float, float] | None,
        magnification: float | None,
        format: str,
    ) -> None:
        self.path = path
        self.levels = levels
        self.width = levels[0].width
        self.height = levels[0].height
        self.mpp = mpp
        self.magnification = magnification
        self.format = format

    def read(self, region: Region, level: int = 0) -> Rgb:
        """Pixels of a rectangle given in px of `level`: uint8 (region.height, region.width, 3).

        What lies outside the image is white. Raises SlideError where the file cannot be decoded there.
        """
        size = self.levels[level]
        left, top = max(region.x, 0), max(region.y, 0)
        right = min(region.x + region.width, size.width)
        bottom = min(region.y + region.height, size.height)
        if (right - left, bottom - top) == (region.width, region.height):
            return self._read_inside(region, level)
        pixels = np.full((region.height, region.width, 3), 255, np.uint8)
        if right > left and bottom > top:
            inside = self._read_inside(Region(left, top, right - left, bottom - top), level)
            pixels[top - region.y : bottom - region.y, left - region.x : right - region.x] = inside
        return pixels

    @abstractmethod
    def _read_inside(self, region: Region, level: int) -> Rgb:
        """As `read`, for a rectangle that lies wholly inside the level."""

    def thumbnail(self, max_side: int) -> Rgb:
        """The whole image, its longer side at most `max_side` px; never enlarged."""
        from cerberus_annotate.slide.sampling import read_overview

        scale = max(1.0, max(self.width, self.height) / max_side)
        return read_overview(self, (scale, scale))

    @abstractmethod
    def close(self) -> None:
        """Let go of the file; later reads fail."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def level_downsample(full: tuple[int, int], size: tuple[int, int]) -> float:
    """How many level-0 px a pixel of a level of `size` (width, height) covers a side.

    Writers halve and cut off the odd row, so 4443 -> 2221 is a downsample of 2 and not of 2.0005 (checked by
    registering an Aperio level with its level 0). Where no whole number explains both sides to within a pixel,
    the mean of both ratios, as OpenSlide has it.
    """
    mean = (full[0] / size[0] + full[1] / size[1]) / 2
    # a power of two first, as QuPath does: in a level of few pixels several whole numbers fit
    for whole in (2 ** round(math.log2(mean)), round(mean)):
        if all(abs(f / whole - s) <= 1 for f, s in zip(full, size, strict=True)):
            return float(whole)
    return mean


def plausible_mpp(x: float | None, y: float | None) -> tuple[float, float] | None:
    """(x, y) where both are numbers that a microscope image can have, else None."""
    low, high = PLAUSIBLE_MPP
    if x is None or y is None or not (math.isfinite(x) and math.isfinite(y)):
        return None
    return (x, y) if low <= x <= high and low <= y <= high else None


def over_white(rgba: NDArray[np.uint8]) -> Rgb:
    """Straight-alpha RGBA laid over white."""
    return over_colour(rgba, (255, 255, 255))


def over_colour(rgba: NDArray[np.uint8], colour: tuple[int, int, int]) -> Rgb:
    """Straight-alpha RGBA (h, w, 4) laid over a colour: uint8 (h, w, 3)."""
    alpha = rgba[..., 3:]
    if (alpha == 255).all():
        return np.ascontiguousarray(rgba[..., :3])
    weight = alpha.astype(np.uint16)
    blend = rgba[..., :3] * weight + np.asarray(colour, np.uint16) * (255 - weight)
    return ((blend + 127) // 255).astype(np.uint8)
