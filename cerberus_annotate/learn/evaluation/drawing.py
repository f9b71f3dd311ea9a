"""Polygons as an instance map, so that they are compared with labels pixel by pixel."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from shapely import LinearRing
from skimage.draw import polygon

from cerberus_annotate.objects.predicted import PredictedObject


def drawn(objects: Sequence[PredictedObject], shape: tuple[int, int]) -> NDArray[np.int32]:
    """The objects as an instance map (H, W): object i is i + 1, a pixel to the object its centre lies in, the later of
    several. Polygons are in px of the map, (0, 0) being the corner of the first pixel."""
    labels = np.zeros(shape, np.int32)
    for index, found in enumerate(objects, start=1):
        inside = _pixels_inside(found.polygon.exterior, shape)
        kept = labels[inside]
        labels[inside] = index
        if found.polygon.interiors:
            whole = np.zeros(shape, bool)
            for ring in found.polygon.interiors:
                whole[_pixels_inside(ring, shape)] = True
            holes = whole[inside]
            labels[inside[0][holes], inside[1][holes]] = kept[holes]
    return labels


def _pixels_inside(ring: LinearRing, shape: tuple[int, int]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    xy = np.asarray(ring.coords) - 0.5
    return polygon(xy[:, 1], xy[:, 0], shape)
