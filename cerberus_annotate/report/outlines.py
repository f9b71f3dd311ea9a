"""Outlines drawn into pictures."""

from collections.abc import Iterable

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

Rgb = NDArray[np.uint8]
Colour = tuple[int, int, int]


def draw_outlines(
    rgb: Rgb,
    outlines: Iterable[tuple[BaseGeometry, Colour]],
    origin: tuple[float, float],
    scale: float,
    width: int = 2,
) -> Rgb:
    """The picture with polygons in their colours: uint8 (h, w, 3).

    origin: level-0 px of the picture's corner. scale: level-0 px of one of its px.
    """
    from PIL import Image, ImageDraw

    picture = Image.fromarray(np.ascontiguousarray(rgb))
    draw = ImageDraw.Draw(picture)
    for outline, colour in outlines:
        for part in shapely.get_parts(outline).tolist():
            for ring in (part.exterior, *part.interiors) if part.geom_type == "Polygon" else ():
                points = (np.asarray(ring.coords)[:, :2] - origin) / scale
                draw.line([(x, y) for x, y in points.tolist()], fill=colour, width=width, joint="curve")
    return np.asarray(picture)
