"""The nuclei of a whole slide from tiles that come one at a time, without doubles, in bounded memory.

A tile's map reaches a halo beyond its kept rectangle, so a nucleus further inside than that halo can have no twin in
another tile: it is given on at once. The others are held until all neighbours of their tile have come, and so have
those of the nuclei that they touch; whatever the order of the tiles, the same nuclei stay.
"""

from collections.abc import Iterable

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from cerberus_annotate.objects.nuclei import BORDER_SLACK, Box, Nuclei, drop_doubles, join_nuclei
from cerberus_annotate.objects.pieces import TileIndex

SETTLED_AT_ONCE = 20_000
"""Nuclei of surrounded tiles that are compared together; each takes about a kilobyte until then."""


class NucleusJoiner:
    """Takes the nuclei of each of `tiles`, (column, row), once; `halo` in px is what maps reach beyond a tile."""

    def __init__(self, tiles: Iterable[TileIndex], halo: float) -> None:
        self._all = frozenset(tiles)
        self._coming = set(self._all)
        self._held: dict[TileIndex, Nuclei] = {}
        self._inner = halo + 2 * BORDER_SLACK

    def add(self, tile: TileIndex, kept: Box, nuclei: Nuclei) -> list[Nuclei]:
        """The nuclei that are certain now; `kept` is the tile's rectangle (left, top, right, bottom) in their px."""
        self._coming.discard(tile)
        bounds = shapely.bounds(nuclei.polygons).reshape(-1, 4)
        left, top, right, bottom = kept
        inner = (bounds[:, :2] >= (left + self._inner, top + self._inner)).all(1)
        inner &= (bounds[:, 2:] <= (right - self._inner, bottom - self._inner)).all(1)
        self._held[tile] = nuclei.where(~inner)
        return [nuclei.where(inner), *self._settle(SETTLED_AT_ONCE)]

    def leave_out(self, tile: TileIndex) -> None:
        """The tile will not come."""
        self._coming.discard(tile)

    def close(self) -> Nuclei:
        """All that is still held, as if every tile had come."""
        self._coming.clear()
        left = self._settle(0)
        self._held.clear()
        return left[0] if left else join_nuclei([])

    def _settle(self, least: int) -> list[Nuclei]:
        """Of the nuclei held those that nothing still to come can touch, without doubles, when there are `least`."""
        around = {tile for tile in self._held if self._coming.isdisjoint(_around(tile))}
        if sum(len(self._held[tile]) for tile in around) < max(least, 1):
            return []
        order = list(self._held)
        together = _concatenated([self._held[tile] for tile in order])
        lengths = [len(self._held[tile]) for tile in order]
        surrounded = np.repeat([tile in around for tile in order], lengths)
        group = _touching(together)
        waits = np.zeros(group.max() + 1, bool)
        waits[group[~surrounded]] = True
        ready = ~waits[group]
        begin = 0
        for tile, length in zip(order, lengths, strict=True):
            left = self._held[tile].where(~ready[begin : begin + length])
            begin += length
            if tile in around and not len(left):
                del self._held[tile]
            else:
                self._held[tile] = left
        settled = together.where(ready)
        return [settled.where(drop_doubles(settled))]


def _around(tile: TileIndex) -> list[TileIndex]:
    column, row = tile
    return [(column + x, row + y) for x in (-1, 0, 1) for y in (-1, 0, 1)]


def _concatenated(tables: list[Nuclei]) -> Nuclei:
    return Nuclei(*(np.concatenate([getattr(table, name) for table in tables]) for name in Nuclei.__annotations__))


def _touching(nuclei: Nuclei) -> NDArray[np.int64]:
    """The number of the group (n,) that each nucleus belongs to with all that it touches, directly or not."""
    one, other = shapely.STRtree(nuclei.polygons).query(nuclei.polygons, predicate="intersects")
    graph = coo_array((np.ones(len(one), np.int8), (one, other)), shape=(len(nuclei), len(nuclei)))
    return connected_components(graph, directed=False)[1].astype(np.int64)
