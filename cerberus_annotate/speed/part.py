"""Which part of a slide is measured: a square full of tissue, as large as the time allows."""

import math

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from cerberus_annotate.slide import Region


def densest_square(size: tuple[int, int], mpp: tuple[float, float], tissue: BaseGeometry, mm2: float) -> Region:
    """The square of `mm2` (the whole image where it is smaller) that holds the most tissue; the middle without any.

    size: (width, height) in level-0 px.  mpp: (x, y) of level 0.  tissue: in level-0 px.
    """
    width, height = (min(length, round(math.sqrt(mm2) * 1000 / each)) for length, each in zip(size, mpp, strict=True))
    if tissue.is_empty:
        return Region((size[0] - width) // 2, (size[1] - height) // 2, width, height)
    lefts, tops = (
        np.unique(np.append(np.arange(0, whole - part, max(1, part // 2)), whole - part))
        for whole, part in zip(size, (width, height), strict=True)
    )
    left, top = (each.ravel() for each in np.meshgrid(lefts, tops))
    squares = shapely.box(left, top, left + width, top + height)
    held = shapely.area(shapely.intersection(tissue, squares))
    # of equals the one nearest to the middle, where sections are whole
    away = np.hypot(left + width / 2 - size[0] / 2, top + height / 2 - size[1] / 2)
    best = np.lexsort((away, -np.round(held / (width * height), 3)))[0]
    return Region(int(left[best]), int(top[best]), width, height)


def tissue_share(part: Region, tissue: BaseGeometry) -> float:
    """How much of a part is tissue, 0 to 1."""
    box = shapely.box(part.x, part.y, part.x + part.width, part.y + part.height)
    return float(tissue.intersection(box).area / box.area)
