"""Polygons as label maps: a pixel belongs to the object that its centre lies in."""

from collections.abc import Sequence

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry import LinearRing
from shapely.geometry.base import BaseGeometry
from skimage.draw import polygon

from cerberus_annotate.harvest.patches import Patch

Pixels = tuple[NDArray[np.intp], NDArray[np.intp]]


def draw_instances(outlines: Sequence[BaseGeometry], shape: tuple[int, int]) -> NDArray[np.uint16]:
    """An instance map (H, W): outline i is i + 1. Larger ones are drawn first, so that what lies on them stays.

    outlines: valid polygonal geometries in px of the map, (0, 0) the corner of the first pixel.  Raises ValueError for
    more than 65,535.
    """
    if len(outlines) > np.iinfo(np.uint16).max:
        raise ValueError(f"{len(outlines)} objects in one patch")
    labels = np.zeros(shape, np.uint16)
    for index in np.argsort([-outline.area for outline in outlines], kind="stable").tolist():
        labels[pixels_inside(outlines[index], shape)] = index + 1
    return labels


def draw_mask(area: BaseGeometry, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Which pixels (H, W) have their centre in an area."""
    mask = np.zeros(shape, bool)
    mask[pixels_inside(area, shape)] = True
    return mask


def pixels_inside(area: BaseGeometry, shape: tuple[int, int]) -> Pixels:
    """Rows and columns of the pixels whose centre lies in a polygonal geometry, holes left out."""
    parts = [_pixels_of_polygon(part, shape) for part in shapely.get_parts(area).tolist()]
    if len(parts) == 1:
        return parts[0]
    empty = np.zeros(0, np.intp)
    rows, columns = zip(*parts, strict=True) if parts else ((empty,), (empty,))
    return np.concatenate(rows), np.concatenate(columns)


def counted_pixels(
    patch: Patch, task: str, instances: NDArray[np.uint16], drawn: NDArray[np.intp]
) -> NDArray[np.bool_]:
    """Which pixels of a patch count for a task, by the rules of `patches`.

    instances: the task's map of the patch; drawn: index of the object behind each id of it, from 1 on.
    """
    counted = draw_mask(shapely.transform(patch.cell, lambda xy: xy - (patch.x, patch.y)), instances.shape)
    owned, cut = np.isin(drawn, patch.owned[task]), np.isin(drawn, patch.cut[task])
    # 0: background counts in the cell; 1: counts; 2: ignored; 3: cut, as background
    state = np.concatenate([[0], np.where(owned, 1, np.where(cut, 3, 2))])[instances]
    return (counted & (state != 2)) | (state == 1)


def _pixels_of_polygon(area: BaseGeometry, shape: tuple[int, int]) -> Pixels:
    rows, columns = _pixels_of_ring(area.exterior, shape)
    if area.interiors and len(rows):
        holes = np.zeros(shape, bool)
        for ring in area.interiors:
            holes[_pixels_of_ring(ring, shape)] = True
        kept = ~holes[rows, columns]
        rows, columns = rows[kept], columns[kept]
    return rows, columns


def _pixels_of_ring(ring: LinearRing, shape: tuple[int, int]) -> Pixels:
    xy = np.asarray(ring.coords) - 0.5
    return polygon(xy[:, 1], xy[:, 0], shape)
