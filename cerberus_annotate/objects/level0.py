"""Polygons in the network's pixels to level-0 pixels, on the coordinates that a QuPath data file can hold."""

from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from cerberus_annotate.objects.polygons import Polygons, largest_polygon

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
    rounded = np.array([shapely.Polygon()] * len(moved), object)
    rounded[:] = shapely.remove_repeated_points(shapely.transform(moved, _on_float32), 0.0)
    for index in np.flatnonzero(~shapely.is_valid(rounded)):
        rounded[index] = _mended(moved[index])
    return rounded


def _on_float32(coordinates: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.round(coordinates, 2).astype(np.float32).astype(np.float64)


def _mended(polygon: shapely.Polygon) -> shapely.Polygon:
    valid = shapely.make_valid(polygon)
    for grid in _COARSER:
        part: Any = largest_polygon(shapely.set_precision(valid, grid))
        mended = shapely.remove_repeated_points(shapely.transform(part, _on_float32), 0.0)
        if shapely.is_valid(mended):
            return mended
    return shapely.Polygon()
