"""Label maps to shapely polygons along pixel edges: pixel (0, 0) covers [0, 1] x [0, 1], as QuPath draws it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

Polygons = NDArray[np.object_]

# Sides of a pixel: top, right, bottom, left, each walked with the pixel on the right hand (y points down).
_STEPS = np.array([(1, 0), (0, 1), (-1, 0), (0, -1)])
_STARTS = np.array([(0, 0), (1, 0), (1, 1), (0, 1)])


def trace_polygons(labels: NDArray[Any]) -> tuple[NDArray[np.int64], Polygons]:
    """Outlines of every label of a map, integer (H, W) with 0 as background.

    Returns the labels, ascending (n,), and one valid polygon each (n,), holes included, in pixels of the map, with
    a vertex at every turn. A polygon's area is its pixel count. Of an instance in several 4-connected parts the
    largest is kept (the first in raster order among equals). Rings start at their first pixel in raster order.
    """
    from skimage.measure import label as label_parts

    # One pixel of background around, so that every pixel has four neighbours.
    parts = label_parts(np.pad(labels, 1), connectivity=1)
    width = parts.shape[1]
    cells = np.flatnonzero(parts)
    if len(cells) == 0:
        return np.zeros(0, np.int64), np.zeros(0, object)
    part_of = parts.ravel()[cells]
    sizes = np.bincount(part_of)[1:]
    owners = np.zeros(len(sizes), np.int64)
    owners[part_of - 1] = np.asarray(labels)[cells // width - 1, cells % width - 1]
    order = np.lexsort((-sizes, owners))
    kept = order[np.flatnonzero(np.diff(owners[order], prepend=0))]
    return owners[kept], _trace_parts(parts.ravel(), width, cells)[kept]


def trace_mask(mask: NDArray[np.bool_]) -> shapely.Polygon:
    """Outline of the largest 4-connected part of a mask, bool (H, W), as `trace_polygons`; empty for an empty one."""
    _, polygons = trace_polygons(mask.view(np.uint8))
    return polygons[0] if len(polygons) else shapely.Polygon()


def moved_polygons(polygons: Polygons, x: float, y: float) -> Polygons:
    """Polygons (n,) shifted by (x, y)."""
    return np.asarray(shapely.transform(polygons, lambda xy: np.add(xy, (x, y))), object)


def canonical_polygons(polygons: Sequence[shapely.Polygon]) -> Polygons:
    """The same polygons with vertices only where they turn, and rings in one order and direction, so that the same
    shape is the same polygon however it was put together. None may be empty."""
    vertices, ring, owner = rings_of_polygons(np.array(polygons, object))
    begin = np.flatnonzero(np.diff(ring, prepend=-1))
    before = vertices - vertices[_previous(begin, len(vertices))]
    after = np.empty_like(before)
    after[_previous(begin, len(vertices))] = before
    turns = before[:, 0] * after[:, 1] != before[:, 1] * after[:, 0]
    return np.asarray(shapely.normalize(polygons_of_rings(vertices[turns], ring[turns], owner)), object)


def largest_polygon(geometry: shapely.Geometry) -> shapely.Polygon:
    """The polygon of largest area within any geometry (the first among equals); an empty one if it holds none."""
    parts = list(shapely.get_parts(geometry))
    polygons = [part for part in parts if part.geom_type == "Polygon"]
    nested = [largest_polygon(part) for part in parts if part.geom_type == "MultiPolygon"]
    return max(polygons + nested, key=lambda polygon: polygon.area, default=shapely.Polygon())


def _trace_parts(parts: NDArray[Any], width: int, cells: NDArray[np.intp]) -> Polygons:
    """Polygons of the 4-connected parts 1, 2, ... of a flattened, padded part map, in that order."""
    beyond = np.array([-width, 1, width, -1])
    edges = np.concatenate([cells[parts[cells] != parts[cells + step]] * 4 + side for side, step in enumerate(beyond)])
    edges.sort()
    cell, side = edges // 4, edges % 4
    part = parts[cell]
    # Where the walk along a side goes on: over to the pixel ahead on the left hand, straight, or round its own.
    ahead = cell + beyond[(side + 1) % 4]
    ahead_left = ahead + beyond[side]
    left, straight = parts[ahead_left] == part, parts[ahead] == part
    follower = np.where(
        left, ahead_left * 4 + (side + 3) % 4, np.where(straight, ahead * 4 + side, cell * 4 + (side + 1) % 4)
    )
    walk, ring_starts = _walk(np.searchsorted(edges, follower))
    cell, side, part = cell[walk], side[walk], part[walk]
    ring = np.repeat(np.arange(len(ring_starts)), np.diff(ring_starts, append=len(walk)))
    turns = side != side[_previous(ring_starts, len(walk))]
    x = cell % width - 1 + _STARTS[side, 0]
    y = cell // width - 1 + _STARTS[side, 1]
    corners = np.column_stack((x, y))[turns].astype(np.float64)
    # The first ring of a part goes round its first pixel in raster order, so it is the outer one.
    return polygons_of_rings(corners, ring[turns], part[ring_starts] - 1)


def _walk(follower: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The edges in the order of their rings, and where in it each ring starts."""
    following = follower.tolist()
    walked = bytearray(len(following))
    order: list[int] = []
    starts: list[int] = []
    for first in range(len(following)):
        if walked[first]:
            continue
        starts.append(len(order))
        edge = first
        while not walked[edge]:
            walked[edge] = 1
            order.append(edge)
            edge = following[edge]
    return np.array(order, np.intp), np.array(starts, np.intp)


def _previous(ring_starts: NDArray[np.intp], length: int) -> NDArray[np.intp]:
    """For every vertex in ring order the index of the one before it in its ring."""
    previous = np.arange(-1, length - 1)
    previous[ring_starts] = np.append(ring_starts[1:], length) - 1
    return previous


def polygons_of_rings(vertices: NDArray[np.float64], ring: NDArray[np.intp], owner: NDArray[np.intp]) -> Polygons:
    """Polygons 0, 1, ... from open rings: vertices (n, 2), the ring of each vertex (n,) ascending from 0 without
    gaps, and the polygon of each ring; the first ring of a polygon is its outer one, the others are holes."""
    by_owner = np.argsort(owner, kind="stable")
    counts = np.bincount(ring, minlength=len(owner))
    first = np.cumsum(counts) - counts
    lengths = counts[by_owner] + 1
    offsets = np.concatenate(([0], np.cumsum(lengths)))
    place = np.arange(offsets[-1]) - np.repeat(offsets[:-1], lengths)
    source = np.repeat(first[by_owner], lengths) + place % np.repeat(counts[by_owner], lengths)
    rings_of = np.concatenate(([0], np.cumsum(np.bincount(owner))))
    return np.asarray(
        shapely.from_ragged_array(shapely.GeometryType.POLYGON, vertices[source], (offsets, rings_of)), object
    )


def rings_of_polygons(
    polygons: Polygons,
) -> tuple[NDArray[np.float64], NDArray[np.intp], NDArray[np.intp]]:
    """The reverse of `polygons_of_rings`; no polygon may be empty."""
    rings, owner = shapely.get_rings(polygons, return_index=True)
    vertices, ring = shapely.get_coordinates(rings, return_index=True)
    closing = np.append(np.diff(ring) > 0, True)
    return vertices[~closing], ring[~closing], owner
