"""A slide small, with everything that stands on it."""

from collections.abc import Sequence

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from cerberus_annotate.feedback.shapes import geometry_array
from cerberus_annotate.report.facts import Colour, Rgb
from cerberus_annotate.report.outlines import draw_outlines
from cerberus_annotate.report.pictures import jpeg_data_uri
from cerberus_annotate.slide.slide import Slide

SIDES = (420, 320, 220, 160, 110)
"""px of the longer side; the first whose picture is small enough is taken."""

QUALITY = 60

MOST_DRAWN = 5000
"""Outlines in a thumbnail, the largest ones; smaller ones would be lines on lines."""

DOT = 3.0
"""px of a thumbnail; what is smaller is a dot in it."""


def thumbnail(slide: Slide, outlines: Sequence[tuple[BaseGeometry, Colour]], most: float) -> str:
    """The slide with outlines in their colours, as a data URI of at most `most` characters (but never < 110 px).

    outlines: in level-0 px. What is too small for an outline is a dot.  Raises SlideError.
    """
    from PIL import Image

    overview = Image.fromarray(slide.thumbnail(SIDES[0]))
    encoded = ""
    for side in SIDES:
        overview.thumbnail((side, side), Image.Resampling.BOX)
        encoded = jpeg_data_uri(_drawn(np.asarray(overview), outlines, slide.width / overview.width), QUALITY)
        if len(encoded) <= most:
            break
    return encoded


def _drawn(picture: Rgb, outlines: Sequence[tuple[BaseGeometry, Colour]], scale: float) -> Rgb:
    if not outlines:
        return picture
    shapes = geometry_array([shape for shape, _ in outlines])
    bounds = shapely.bounds(shapes) / scale
    small = (bounds[:, 2:] - bounds[:, :2]).max(axis=1) < DOT
    large = np.flatnonzero(~small)
    large = large[np.argsort(-shapely.area(shapes[large]), kind="stable")][:MOST_DRAWN]
    dotted = picture.copy()
    x, y = ((bounds[small, at] + bounds[small, at + 2]) / 2 for at in (0, 1))
    inside = (x >= 0) & (y >= 0) & (x < picture.shape[1]) & (y < picture.shape[0])  # false for NaN
    colours = np.array([colour for _, colour in outlines], np.uint8)[small]
    dotted[y[inside].astype(int), x[inside].astype(int)] = colours[inside]
    return draw_outlines(dotted, [outlines[at] for at in large.tolist()], (0, 0), scale, width=1)
