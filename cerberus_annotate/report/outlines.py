"""Outlines drawn into pictures."""

from collections.abc import Iterable

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

Rgb = NDArray[np.uint8]
Colour = tuple[int, int, int]

HALO: Colour = (255, 255, 255)
SHIFT = 4
"""Bits after the point of the coordinates that are drawn."""


def draw_outlines(
    rgb: Rgb,
    outlines: Iterable[tuple[BaseGeometry, Colour]],
    origin: tuple[float, float],
    scale: float,
    width: int = 2,
    halo: int = 0,
) -> Rgb:
    """The picture with polygons in their colours: uint8 (h, w, 3).

    origin: level-0 px of the picture's corner. scale: level-0 px of one of its px. width, halo: px of the line, and of
    white on either side of it, so that it is seen on tissue of its own colour.
    """
    import cv2

    picture = np.array(rgb, np.uint8, order="C")
    drawn = [(_rings(outline, origin, scale), colour) for outline, colour in outlines]
    if halo:
        for rings, _ in drawn:
            cv2.polylines(picture, rings, True, HALO, width + 2 * halo, cv2.LINE_AA, SHIFT)
    for rings, colour in drawn:
        cv2.polylines(picture, rings, True, tuple(map(int, colour)), width, cv2.LINE_AA, SHIFT)
    return picture


def _rings(outline: BaseGeometry, origin: tuple[float, float], scale: float) -> list[NDArray[np.int32]]:
    """Rings in the picture as fixed-point numbers, int32 (n, 1, 2); pixels have their middle at whole numbers."""
    rings = [
        ring
        for part in shapely.get_parts(outline).tolist()
        if part.geom_type == "Polygon"
        for ring in (part.exterior, *part.interiors)
    ]
    placed = [(shapely.get_coordinates(ring) - origin) / scale - 0.5 for ring in rings]
    return [np.round(points * (1 << SHIFT)).astype(np.int32)[:, None] for points in placed]
