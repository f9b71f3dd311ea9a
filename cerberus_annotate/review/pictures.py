"""A picture of a region with what stands there in the project."""

from collections.abc import Sequence

import numpy as np
import shapely
from shapely.geometry import box
from shapely.geometry.base import BaseGeometry

from cerberus_annotate.feedback.reviewed import is_mark
from cerberus_annotate.feedback.shapes import geometry_array
from cerberus_annotate.objects.class_names import class_colour
from cerberus_annotate.qupath import PathObject
from cerberus_annotate.report.outlines import draw_outlines
from cerberus_annotate.review.candidates import Bounds
from cerberus_annotate.slide.sampling import read_scaled
from cerberus_annotate.slide.slide import Rgb, Slide

SIDE = 400
"""px of the picture's longer side."""


def picture_of(slide: Slide, bounds: Bounds, objects: Sequence[PathObject], side: int = SIDE) -> Rgb:
    """The region with the outlines of the objects that touch it, in the colours of their classes: uint8 (h, w, 3)."""
    left, top, right, bottom = bounds
    scale = max(right - left, bottom - top) / side
    size = max(1, round((right - left) / scale)), max(1, round((bottom - top) / scale))
    pixels = read_scaled(slide, round(left / scale), round(top / scale), *size, (scale, scale))
    touching = _touching(objects, box(*bounds))
    outlines = [(obj.roi, _colour(obj)) for obj in touching if obj.roi is not None]
    return draw_outlines(pixels, outlines, (left, top), scale)


def _touching(objects: Sequence[PathObject], frame: BaseGeometry) -> list[PathObject]:
    """Those that touch the frame and do not hold all of it, the large ones first."""
    drawn = [obj for obj in objects if obj.roi is not None and not is_mark(obj)]
    outlines = geometry_array([obj.roi for obj in drawn])
    near = np.flatnonzero(shapely.intersects(outlines, frame)) if len(drawn) else np.zeros(0, int)
    area = shapely.area(outlines[near])
    return [drawn[at] for at in near[np.argsort(-area, kind="stable")].tolist()]


def _colour(obj: PathObject) -> tuple[int, int, int]:
    if obj.colour is not None:
        return obj.colour
    if obj.path_class is None:
        return (0, 0, 0)
    return obj.path_class.colour or class_colour(str(obj.path_class))
