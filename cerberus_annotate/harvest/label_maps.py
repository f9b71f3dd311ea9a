"""Polygons as label maps: a pixel belongs to the object that its centre lies in."""

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from cerberus_annotate.harvest.patches import Patch


def draw_instances(outlines: np.ndarray, shape: tuple[int, int]) -> NDArray[np.uint16]:
    """An instance map (H, W): outline i is i + 1. Larger ones are drawn first, so that what lies on them stays.

    outlines: object array of valid polygonal geometries in px of the map, (0, 0) the corner of the first pixel.
    Raises ValueError for more than 65,535.
    """
    if len(outlines) > np.iinfo(np.uint16).max:
        raise ValueError(f"{len(outlines)} objects in one patch")
    labels = np.zeros(shape[0] * shape[1], np.uint16)
    order = np.argsort(-shapely.area(outlines), kind="stable")
    owner, pixels = _pixels_inside(outlines[order], shape)
    labels[pixels] = order[owner] + 1  # of a pixel that is named twice the last name stays
    return labels.reshape(shape)


def draw_mask(areas: BaseGeometry | np.ndarray, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Which pixels (H, W) have their centre in a valid polygonal geometry, or in any of an object array of them."""
    mask = np.zeros(shape[0] * shape[1], bool)
    mask[_pixels_inside(np.atleast_1d(np.asarray(areas, object)), shape)[1]] = True
    return mask.reshape(shape)


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


def _pixels_inside(outlines: np.ndarray, shape: tuple[int, int]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """For every pixel whose centre lies in an outline: index of the outline, ascending, and of the pixel, row by row.

    Each row of centres enters and leaves an outline in turn where it crosses its rings, holes included.
    """
    height, width = shape
    parts, owner_of_part = shapely.get_parts(outlines, return_index=True)
    rings, part_of_ring = shapely.get_rings(parts, return_index=True)
    xy, ring = shapely.get_coordinates(rings, return_index=True)
    edges = np.flatnonzero(ring[1:] == ring[:-1])
    (x0, y0), (x1, y1) = xy[edges].T, xy[edges + 1].T
    first = np.ceil(np.minimum(y0, y1) - 0.5).clip(0, height).astype(np.intp)
    beyond = np.ceil(np.maximum(y0, y1) - 0.5).clip(0, height).astype(np.intp)
    counts = beyond - first
    edge = np.repeat(np.arange(len(edges)), counts)
    row = _counted_up(first, counts)
    slope = np.divide(x1 - x0, y1 - y0, out=np.zeros_like(x0), where=y1 != y0)
    x = x0[edge] + (row + 0.5 - y0[edge]) * slope[edge]
    column = np.ceil(x - 0.5).clip(0, width).astype(np.intp)
    owner = owner_of_part[part_of_ring[ring[edges]]][edge]
    order = np.lexsort((column, row, owner))
    enters, leaves = column[order[0::2]], column[order[1::2]]
    lengths = leaves - enters
    return np.repeat(owner[order[0::2]], lengths), _counted_up(row[order[0::2]] * width + enters, lengths)


def _counted_up(starts: NDArray[np.intp], counts: NDArray[np.intp]) -> NDArray[np.intp]:
    """`starts[0], starts[0] + 1, …` `counts[0]` times, then the same from `starts[1]` on."""
    before = np.cumsum(counts) - counts
    return np.arange(counts.sum()) - np.repeat(before - starts, counts)
