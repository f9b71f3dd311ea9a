"""One tile's share of the slide's area objects (glands, lumina, tissue areas): its connected pieces, grown and traced.

All that is heavy is done here, for one tile alone; `joining.py` puts the pieces of all tiles together.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy import ndimage

from cerberus_annotate.objects.instances import AreaSettings, grow
from cerberus_annotate.objects.majority import type_counts
from cerberus_annotate.objects.polygons import moved_polygons, trace_mask


@dataclass(frozen=True)
class Piece:
    """A 4-connected part of a tile's foreground, in px of the slide's grid.

    `polygon` its outline after growing, `box` (top, left, bottom, right) and `first` (y, x; in raster order) of its
    pixels before that, `pixels` their number, `score` the sum over them, `type_counts` (types,) how often each type
    occurs among them.
    """

    polygon: shapely.Polygon
    box: tuple[int, int, int, int]
    first: tuple[int, int]
    pixels: int
    score: float
    type_counts: NDArray[np.int64]


class Sides(NamedTuple):
    """Something for each side of a tile."""

    left: Any
    right: Any
    top: Any
    bottom: Any


NO_NEIGHBOURS = Sides(False, False, False, False)

TileIndex = tuple[int, int]
"""Column and row of a tile; neighbours share a whole side."""


def neighbours(tile: TileIndex) -> Sides:
    """The tile behind each side."""
    column, row = tile
    return Sides((column - 1, row), (column + 1, row), (column, row - 1), (column, row + 1))


def shared_sides(tile: TileIndex, tiles: Collection[TileIndex]) -> Sides:
    """Behind which sides one of `tiles` lies."""
    return Sides(*(each in tiles for each in neighbours(tile)))


@dataclass(frozen=True)
class TilePieces:
    """`whole` are pieces that no other tile shares, `open` those on a side that one does. `sides` has for each such
    side, pixel by pixel, the number of the open piece there, from 1 on, 0 for none; None for the others."""

    whole: list[Piece]
    open: list[Piece]
    sides: Sides


def area_pieces(
    mask: NDArray[np.bool_],
    score: NDArray[np.floating[Any]],
    types: NDArray[np.uint8] | None,
    settings: AreaSettings,
    origin: tuple[int, int] = (0, 0),
    shared: Sides = NO_NEIGHBOURS,
) -> TilePieces:
    """The pieces of a tile's kept rectangle.

    `mask` bool (H, W) the foreground before growing (`area_foreground`, or where the tissue class is this one);
    `score` (H, W) the probability that becomes the confidence; `types` the type head's argmax (H, W). `origin` (x, y)
    is the place of the first pixel, `shared` says on which sides another tile follows. Pieces that lie wholly in the
    tile and are smaller than the settings allow are left out.
    """
    labels, count = ndimage.label(mask)
    edges = Sides(labels[:, 0], labels[:, -1], labels[0], labels[-1])
    on_border = np.zeros(count + 1, bool)
    for is_shared, edge in zip(shared, edges, strict=True):
        if is_shared:
            on_border[edge] = True
    cells = np.flatnonzero(labels)
    label = labels.ravel()[cells]
    pixels = np.bincount(label, minlength=count + 1)
    scores = np.bincount(label, score.ravel()[cells], minlength=count + 1)
    kinds = np.zeros_like(label) if types is None else types.ravel()[cells]
    counts = type_counts(label, kinds, count + 1)
    firsts = np.zeros(count + 1, np.int64)
    firsts[label[::-1]] = cells[::-1]
    whole: list[Piece] = []
    open_pieces: list[Piece] = []
    number_of = np.zeros(count + 1, np.int32)
    for at, (rows, columns) in enumerate(ndimage.find_objects(labels), start=1):
        if not on_border[at] and pixels[at] < settings.smallest:
            continue
        row, column = divmod(int(firsts[at]), labels.shape[1])
        left, top = origin[0] + columns.start, origin[1] + rows.start
        piece = Piece(
            polygon=_grown_outline(labels[rows, columns] == at, settings.kernel, left, top),
            box=(top, left, origin[1] + rows.stop, origin[0] + columns.stop),
            first=(origin[1] + row, origin[0] + column),
            pixels=int(pixels[at]),
            score=float(scores[at]),
            type_counts=counts[at],
        )
        if on_border[at]:
            open_pieces.append(piece)
            number_of[at] = len(open_pieces)
        else:
            whole.append(piece)
    numbers = (number_of[edge] if is_shared else None for is_shared, edge in zip(shared, edges, strict=True))
    return TilePieces(whole, open_pieces, Sides(*numbers))


def _grown_outline(piece: NDArray[np.bool_], kernel: int, left: int, top: int) -> shapely.Polygon:
    outline = trace_mask(grow(np.pad(piece, kernel), kernel))
    return moved_polygons(np.array([outline]), left - kernel, top - kernel)[0]
