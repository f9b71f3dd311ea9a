"""Area objects (glands, lumina, tissue areas) of a whole slide from tiles that come one at a time.

Each tile's foreground is labelled (4-connected) and cut into pieces (`pieces.py`); pieces that touch across a tile
border are one object. An object is complete once no piece of it touches a tile still to come; only objects that are not
complete are held. Its pieces are grown and traced one by one and united as polygons, in place of the reference's way of
growing, filling and tracing one mask: growing distributes over union, and filling holes is leaving out inner rings, so
the outlines are the same, while memory follows the outlines and not the bounding box, however large an object is.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from cerberus_annotate.objects.class_names import class_name
from cerberus_annotate.objects.instances import AreaSettings, room_to_grow, tissue_settings
from cerberus_annotate.objects.majority import majority_type
from cerberus_annotate.objects.pieces import Piece, TileIndex, TilePieces, area_pieces, neighbours, shared_sides
from cerberus_annotate.objects.polygons import canonical_polygons, largest_polygon
from cerberus_annotate.objects.predicted import PredictedObject
from cerberus_annotate.objects.simplify import DEFAULT_TOLERANCE, simplify_polygons

Border = tuple[TileIndex, TileIndex]


@dataclass(frozen=True)
class Area:
    """One complete area object, in px of the grid that its tiles were given in.

    `polygon` runs along pixel edges, grown and filled. `first` is (y, x) of the first pixel in raster order before
    growing, `pixels` their number, `confidence` the mean score over them, `type_counts` (types,) how often each type
    occurs among them.
    """

    polygon: shapely.Polygon
    first: tuple[int, int]
    pixels: int
    confidence: float
    type_counts: NDArray[np.int64]


@dataclass(eq=False)
class _Open:
    """An object that may still go on in tiles to come; box is (top, left, bottom, right)."""

    pieces: list[int]
    polygons: list[shapely.Polygon]
    box: tuple[int, int, int, int]
    first: tuple[int, int]
    pixels: int
    score: float
    type_counts: NDArray[np.int64]
    awaited: int = 0


@dataclass
class AreaJoiner:
    """Joins the objects of one task over the tiles of one slide.

    `image_size` is (width, height) of the grid; `tiles` are the (column, row) of all tiles that will come, in whatever
    order, each once; neighbours share a whole side. Tiles that are not listed count as background.
    """

    settings: AreaSettings
    image_size: tuple[int, int]
    tiles: Iterable[TileIndex]
    _coming: set[TileIndex] = field(init=False)
    _all: frozenset[TileIndex] = field(init=False)
    _waiting: dict[Border, NDArray[np.int64]] = field(default_factory=dict, init=False)
    _open: dict[int, _Open] = field(default_factory=dict, init=False)
    _pieces_seen: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self._all = frozenset(self.tiles)
        self._coming = set(self._all)

    def add_tile(
        self,
        tile: TileIndex,
        x: int,
        y: int,
        mask: NDArray[np.bool_],
        score: NDArray[np.floating[Any]],
        types: NDArray[np.uint8] | None = None,
    ) -> list[Area]:
        """As `add`, for the pieces of `area_pieces`; `x`, `y` is the place of the tile's first pixel."""
        return self.add(tile, area_pieces(mask, score, types, self.settings, (x, y), shared_sides(tile, self._all)))

    def add(self, tile: TileIndex, pieces: TilePieces) -> list[Area]:
        """Takes the pieces of one tile, (column, row), and returns the objects that it completed.

        Raises ValueError for a tile that is not expected.
        """
        if tile not in self._coming:
            raise ValueError(f"tile {tile} is not one of the tiles to come: it was given before or not announced")
        self._coming.remove(tile)
        complete = [_opened(piece) for piece in pieces.whole]
        numbers = np.arange(len(pieces.open) + 1) + self._pieces_seen
        numbers[0] = 0
        self._pieces_seen += len(pieces.open)
        for number, piece in zip(numbers[1:].tolist(), pieces.open, strict=True):
            self._open[number] = _opened(piece, number)
        touched: set[int] = set(numbers[1:].tolist())
        for other, side in zip(neighbours(tile), pieces.sides, strict=True):
            if side is not None:
                touched |= self._meet((min(tile, other), max(tile, other)), numbers[side])
        complete += self._take_complete(touched)
        return [self._finished(found) for found in complete]

    def close(self) -> list[Area]:
        """The objects still waiting for tiles that never came, as far as they are known."""
        left = {id(found): found for found in self._open.values()}.values()
        self._open, self._waiting, self._coming = {}, {}, set()
        return [self._finished(found) for found in left if found.pixels >= self.settings.smallest]

    def _meet(self, border: Border, side: NDArray[np.int64]) -> set[int]:
        """Joins what touches across a border whose other tile has come, or notes that it is awaited. Returns the
        pieces for which the waiting ended."""
        facing = self._waiting.pop(border, None)
        if facing is None:
            if any(tile in self._coming for tile in border):
                self._waiting[border] = side
                for piece in _present(side):
                    self._open[piece].awaited += 1
            return set()
        settled = _present(facing)
        for piece in settled:
            self._open[piece].awaited -= 1
        both = (side > 0) & (facing > 0)
        for one, other in np.unique(np.column_stack((side[both], facing[both])), axis=0).tolist():
            self._join(self._open[one], self._open[other])
        return set(settled)

    def _join(self, one: _Open, other: _Open) -> None:
        if one is other:
            return
        small, large = sorted((one, other), key=lambda found: len(found.pieces))
        large.pieces += small.pieces
        large.polygons += small.polygons
        large.box = (
            min(large.box[0], small.box[0]),
            min(large.box[1], small.box[1]),
            max(large.box[2], small.box[2]),
            max(large.box[3], small.box[3]),
        )
        large.first = min(large.first, small.first)
        large.pixels += small.pixels
        large.score += small.score
        large.awaited += small.awaited
        large.type_counts = _summed(large.type_counts, small.type_counts)
        for piece in small.pieces:
            self._open[piece] = large

    def _take_complete(self, touched: set[int]) -> list[_Open]:
        """Removes the objects of these pieces that await no tile any more; those of enough pixels are returned."""
        complete = []
        for piece in sorted(touched):
            found = self._open.get(piece)
            if found is None or found.awaited:
                continue
            for part in found.pieces:
                del self._open[part]
            if found.pixels >= self.settings.smallest:
                complete.append(found)
        return complete

    def _finished(self, found: _Open) -> Area:
        """The object's outline as the reference makes it: grown within its box, which is not enlarged on a side that
        would leave the image, and filled."""
        top, left, bottom, right = found.box
        width, height = self.image_size
        top, bottom = room_to_grow(top, bottom, height, self.settings.kernel)
        left, right = room_to_grow(left, right, width, self.settings.kernel)
        whole = found.polygons[0] if len(found.polygons) == 1 else shapely.union_all(found.polygons)
        if self.settings.kernel > 1:
            whole = shapely.intersection(whole, shapely.box(left, top, right, bottom))
        outline = largest_polygon(whole)
        if self.settings.fill:
            outline = shapely.Polygon(outline.exterior)
        return Area(
            polygon=canonical_polygons([outline])[0],
            first=found.first,
            pixels=found.pixels,
            confidence=found.score / found.pixels,
            type_counts=found.type_counts,
        )


def resolve_overlaps(areas: Sequence[Area]) -> list[Area]:
    """The objects without overlap, in raster order of their first pixels. Grown neighbours may overlap; as in the
    reference the later one keeps all of it. What is left of an object in several parts keeps its largest, what is
    wholly covered is left out."""
    ordered = sorted(areas, key=lambda area: area.first)
    if not ordered:
        return []
    whole = np.array([area.polygon for area in ordered], object)
    earlier, later = shapely.STRtree(whole).query(whole, predicate="intersects")
    cutters: dict[int, list[int]] = {}
    for one, other in zip(earlier.tolist(), later.tolist(), strict=True):
        if one < other:
            cutters.setdefault(one, []).append(other)
    left = whole.copy()
    for one, others in cutters.items():
        left[one] = largest_polygon(shapely.difference(whole[one], shapely.union_all(whole[others])))
        if not left[one].is_empty:
            left[one] = canonical_polygons([left[one]])[0]
    return [replace(area, polygon=polygon) for area, polygon in zip(ordered, left, strict=True) if not polygon.is_empty]


def tissue_areas(classes: NDArray[np.uint8], score: NDArray[np.floating[Any]], smallest: int = 2) -> list[Area]:
    """Connected areas of each tissue class in px of the class map: `classes` (H, W) the argmax, 0 background or no
    tissue, `score` (H, W) its probability. Areas of fewer than `smallest` cells are left out. `type_counts` of an area
    names its class."""
    areas = []
    for index in np.unique(classes[classes > 0]).tolist():
        joiner = AreaJoiner(tissue_settings(smallest), (classes.shape[1], classes.shape[0]), [(0, 0)])
        areas += joiner.add_tile((0, 0), 0, 0, classes == index, score, classes)
    return areas


def area_objects(
    areas: Sequence[Area],
    task: str,
    type_names: Sequence[str] = (),
    tolerance: float = DEFAULT_TOLERANCE,
) -> list[PredictedObject]:
    """The areas as predicted objects with simplified outlines, in the same order and pixels."""
    if not areas:
        return []
    polygons = simplify_polygons(np.array([area.polygon for area in areas], object), tolerance)
    types = [int(majority_type(area.type_counts[None])[0]) for area in areas]
    return [
        PredictedObject(task, class_name(task, type_index, type_names), polygon, area.confidence)
        for area, polygon, type_index in zip(areas, polygons, types, strict=True)
    ]


def _opened(piece: Piece, number: int | None = None) -> _Open:
    return _Open(
        pieces=[] if number is None else [number],
        polygons=[piece.polygon],
        box=piece.box,
        first=piece.first,
        pixels=piece.pixels,
        score=piece.score,
        type_counts=piece.type_counts,
    )


def _present(side: NDArray[np.int64]) -> list[int]:
    return np.unique(side[side > 0]).tolist()


def _summed(one: NDArray[np.int64], other: NDArray[np.int64]) -> NDArray[np.int64]:
    """Counts of two lists of types, of which one may be shorter."""
    total = np.zeros(max(len(one), len(other)), np.int64)
    total[: len(one)] += one
    total[: len(other)] += other
    return total
