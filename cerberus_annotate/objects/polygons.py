"""Label maps to shapely polygons along pixel edges: pixel (0, 0) covers [0, 1] x [0, 1], as QuPath draws it."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from cerberus_annotate.objects.labelled_pixels import Runs, connected_runs, pixels_of_map, runs_of_pixels
from cerberus_annotate.objects.tracing import trace_rings

Polygons = NDArray[np.object_]


def trace_polygons(labels: NDArray[Any]) -> tuple[NDArray[np.int64], Polygons]:
    """Outlines of every label of a map, integer (H, W) with 0 as background.

    Returns the labels, ascending (n,), and one valid polygon each (n,), holes included, in pixels of the map, with
    a vertex at every turn. A polygon's area is its pixel count. Of an instance in several 4-connected parts the
    largest is kept (the first in raster order among equals). Rings start at their first pixel in raster order.
    """
    return trace_runs(runs_of_pixels(pixels_of_map(labels)))


def trace_runs(runs: Runs) -> tuple[NDArray[np.int64], Polygons]:
    """As `trace_polygons`, of the labels of runs."""
    if len(runs.row) == 0:
        return np.zeros(0, np.int64), np.zeros(0, object)
    part = connected_runs(runs)
    sizes = np.bincount(part, runs.stop - runs.start)
    labels = np.zeros(len(sizes), np.int64)
    labels[part] = runs.label
    order = np.lexsort((-sizes, labels))
    kept = order[np.flatnonzero(np.diff(labels[order], prepend=0))]
    number = np.full(len(sizes), -1)
    number[kept] = np.arange(len(kept))
    numbers = number[part]
    rings = trace_rings(replace(runs, label=numbers).where(numbers >= 0), len(kept))
    return labels[kept], polygons_of_rings(*rings)


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
