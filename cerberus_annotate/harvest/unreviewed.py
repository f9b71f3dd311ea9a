"""Pictures of tissue that nobody reviewed: what a model says there today it should still say when it has learnt."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from cerberus_annotate.feedback.reviewed import polygonal
from cerberus_annotate.harvest.folder import UNREVIEWED, UnreviewedRecord, write_file
from cerberus_annotate.harvest.writing import encode_png
from cerberus_annotate.slide.sampling import read_scaled
from cerberus_annotate.slide.slide import Slide

MOST = 4
"""Pictures of a slide."""

SIDES = (512, 256, 128)
"""px of the harvest's grid; smaller ones only where no larger one fits."""

TISSUE_SHARE = 0.5
"""Of a picture, that must be tissue."""


EDGE = 0.01
"""px along a picture's border that may be taken: a region beside it that ends on the same line, but for rounding."""


def unreviewed_squares(
    tissue: BaseGeometry, taken: BaseGeometry, size: tuple[int, int], seed: str
) -> list[tuple[int, int, int]]:
    """(x, y, side) of up to four squares on tissue that share no area with `taken`, all in px of a grid.

    tissue, taken: valid. size: (width, height) of the image on it. They follow from `seed` alone: one that comes to be
    taken gives way to the next, the others stay.
    """
    shapely.prepare((tissue, taken))
    for side in SIDES:
        columns, rows = (np.arange(length // side) * side for length in size)
        x, y = (part.ravel() for part in np.meshgrid(columns, rows))
        squares = shapely.box(x, y, x + side, y + side)
        left = shapely.intersects(tissue, squares)
        inner = shapely.box(x + EDGE, y + EDGE, x + side - EDGE, y + side - EDGE)
        left &= ~shapely.intersects(taken, inner)
        x, y, squares = x[left], y[left], squares[left]
        on_tissue = _areas_in(tissue, squares, x, side, size[1]) >= TISSUE_SHARE * side**2
        places = list(zip(x[on_tissue].tolist(), y[on_tissue].tolist(), strict=True))
        if places:
            places.sort(key=lambda place: hashlib.sha256(f"{seed} {place}".encode()).digest())
            return [(*place, side) for place in places[:MOST]]
    return []


def _areas_in(tissue: BaseGeometry, squares: NDArray, x: NDArray, side: int, height: int) -> NDArray[np.float64]:
    """Area of tissue in each square. Column by column, as all of a slide's tissue is slow to cut by each square."""
    areas = np.zeros(len(squares))
    for column in np.unique(x):
        here = x == column
        strip = polygonal(shapely.intersection(tissue, shapely.box(column, 0, column + side, height)))
        areas[here] = shapely.area(shapely.intersection(strip, squares[here]))
    return areas


def write_unreviewed(
    folder: Path,
    stem: str,
    squares: list[tuple[int, int, int]],
    slide: Slide,
    scale: tuple[float, float],
    mpp: float,
    content: str,
    known: Mapping[str, UnreviewedRecord],
) -> tuple[UnreviewedRecord, ...]:
    """Reads and writes the pictures of squares; those in `known`, by name, that are still there are not written again.

    scale: level-0 px of a px of the grid. content: what tells the slide's pixels, and their size, from others.  Raises
    SlideError, and UsageError when the disk refuses.
    """
    records = []
    for x, y, side in squares:
        digest = hashlib.sha256(f"{content} {x} {y} {side} {scale}".encode()).hexdigest()[:8]
        name = f"{stem}-{x}-{y}-{digest}"
        if name in known and (folder / known[name].image).is_file():
            records.append(known[name])
            continue
        path = f"{UNREVIEWED}/{name}.png"
        checksum = write_file(folder, path, encode_png(read_scaled(slide, x, y, side, side, scale)))
        left, top, width, height = (
            round(value * factor, 2) for value, factor in zip((x, y, side, side), scale * 2, strict=True)
        )
        records.append(UnreviewedRecord(name, path, left, top, width, height, mpp, checksum))
    return tuple(records)
