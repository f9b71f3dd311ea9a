"""From the network's pixels to level-0 pixels, on the coordinates that a QuPath data file can hold."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from cerberus_annotate.objects.polygons import Polygons, largest_polygon
from cerberus_annotate.objects.predicted import PredictedObject

AREA = "Area µm²"

# Grids (px) tried in turn where rounding alone broke a ring.
_COARSER = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5)


def at_level0(
    polygons: Polygons, scale: tuple[float, float] = (1.0, 1.0), origin: tuple[float, float] = (0.0, 0.0)
) -> Polygons:
    """Polygons (n,) moved by `origin` (in their own px), multiplied by `scale` = (sx, sy), then rounded to 0.01 px and
    to float32, QuPath's type of coordinate; (n,).

    Each is valid, with no vertex twice and no ring that crosses itself: where rounding made one, the largest part is
    kept, on a coarser grid if need be. A polygon too small to survive that comes back empty.
    """
    moved = shapely.transform(polygons, lambda xy: (xy + np.asarray(origin)) * np.asarray(scale))
    rounded = np.asarray(shapely.transform(moved, _on_float32), object)
    valid = shapely.is_valid(rounded)
    rounded[valid] = shapely.remove_repeated_points(rounded[valid], 0.0)
    for index in np.flatnonzero(~valid):
        rounded[index] = _mended(moved[index])
    return rounded


def objects_at_level0(
    objects: Sequence[PredictedObject],
    scale: tuple[float, float] = (1.0, 1.0),
    origin: tuple[float, float] = (0.0, 0.0),
    mpp: tuple[float, float] | None = None,
) -> list[PredictedObject]:
    """The objects with their polygons as `at_level0` makes them, in the same order, without those that came out empty
    (what they were the parent of then has none). `mpp` is (x, y) of the level-0 pixels in µm; with it every object
    gets the measurement `Area µm²`."""
    if not objects:
        return []
    polygons = at_level0(np.array([each.polygon for each in objects], object), scale, origin)
    left = {each.uuid for each, polygon in zip(objects, polygons, strict=True) if not polygon.is_empty}
    placed = []
    for each, polygon in zip(objects, polygons, strict=True):
        if each.uuid not in left:
            continue
        measured = {} if mpp is None else {AREA: polygon.area * mpp[0] * mpp[1]}
        parent = each.parent if each.parent in left else None
        placed.append(replace(each, polygon=polygon, parent=parent, measurements={**each.measurements, **measured}))
    return placed


def _on_float32(coordinates: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.round(coordinates, 2).astype(np.float32).astype(np.float64)


def _mended(polygon: shapely.Polygon) -> shapely.Polygon:
    valid = shapely.make_valid(polygon)
    for grid in _COARSER:
        part: Any = largest_polygon(shapely.set_precision(valid, grid))
        mended = shapely.transform(part, _on_float32)
        if shapely.is_valid(mended):
            return shapely.remove_repeated_points(mended, 0.0)
    return shapely.Polygon()
