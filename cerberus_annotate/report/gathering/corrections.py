"""The most telling corrections of a project, as pictures before and after."""

import math
import re
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from cerberus_annotate.feedback.difference import Change, Verdict, outline_of
from cerberus_annotate.feedback.shapes import geometry_array, valid_polygons
from cerberus_annotate.report.facts import Colour, Rgb, Strip
from cerberus_annotate.report.outlines import draw_outlines
from cerberus_annotate.slide.sampling import grid_size, read_scaled
from cerberus_annotate.slide.slide import Slide

EACH = 6
"""Pictures of a verdict."""

SIDE = 220
"""px of a picture."""

CONTEXT, LEAST_UM = 1.6, 20.0
"""Side of a picture relative to the object, and the least in µm."""

BEFORE: Colour = (230, 30, 30)
AFTER: Colour = (20, 140, 60)

Pair = tuple[str, str]
"""Class before and after."""


@dataclass(frozen=True)
class Correction:
    """telling: larger is shown first. pair: class before and after. before, after: outlines in level-0 px. image: id of
    its image.
    """

    image: str
    verdict: Verdict
    pair: Pair
    told: str
    telling: float
    before: tuple[BaseGeometry, ...]
    after: tuple[BaseGeometry, ...]


def corrections_of(image: str, changes: Sequence[Change]) -> list[Correction]:
    """The most telling corrections of an image: `EACH` of each verdict, of reclassified ones of each pair of classes.

    Of reshaped objects those that overlap least with what was predicted, of reclassified ones those that the model was
    surest of, of others the largest.
    """
    taken: list[Change] = []
    counts: Counter[Hashable] = Counter()
    for change in sorted(changes, key=lambda change: -_telling(change)):
        if change.verdict != "accepted" and counts[_kind(change)] < EACH:
            taken.append(change)
            counts[_kind(change)] += 1
    found = [_correction(image, change) for change in taken]
    return [one for one in found if one.before or one.after]


def strip_of(correction: Correction, slide: Slide, mpp: tuple[float, float], name: str, told: str) -> Strip:
    """The pictures of a correction.  Raises SlideError."""
    left, top, right, bottom = shapely.total_bounds([*correction.before, *correction.after]).tolist()
    side = max(CONTEXT * max(right - left, bottom - top), LEAST_UM / max(mpp))
    scale = side / SIDE
    columns, rows = grid_size(slide, (scale, scale))
    x, width = _window((left + right) / 2 / scale, columns)
    y, height = _window((top + bottom) / 2 / scale, rows)
    pixels = np.full((SIDE, SIDE, 3), 255, np.uint8)
    pixels[:height, :width] = read_scaled(slide, x, y, width, height, (scale, scale))

    def drawn(outlines: Sequence[BaseGeometry], colour: Colour) -> Rgb:
        placed = [(one, colour) for one in outlines]
        return draw_outlines(pixels, placed, (x * scale, y * scale), scale, width=2, halo=1)

    return Strip(correction.verdict, name, told, drawn(correction.before, BEFORE), drawn(correction.after, AFTER))


def _window(middle: float, size: int) -> tuple[int, int]:
    """First px and number of them around `middle`, moved inward at the image's border."""
    return max(0, min(round(middle - SIDE / 2), size - SIDE)), min(SIDE, size)


def _telling(change: Change) -> float:
    if change.verdict == "reshaped":
        return 1 - change.iou
    if change.verdict == "reclassified":
        return change.predicted[0].confidence
    outlines = [*(entry.polygon for entry in change.predicted), *map(outline_of, change.objects)]
    return max((outline.area for outline in outlines if outline is not None), default=0.0)


def _correction(image: str, change: Change) -> Correction:
    before = tuple(entry.polygon for entry in change.predicted)
    outlines = valid_polygons(geometry_array([outline_of(obj) for obj in change.objects]))
    after = tuple(one for one in outlines.tolist() if one is not None)
    return Correction(image, change.verdict, pair_of(change), _told(change), _telling(change), before, after)


def pair_of(change: Change) -> Pair:
    """Its classes before and after, as they are shown."""
    return class_shown(change.class_before), class_shown(change.class_after)


def class_shown(text: str) -> str:
    """A class on one line."""
    return re.sub(r"\s+", " ", text).strip() or "no class"


def _told(change: Change) -> str:
    before, after = pair_of(change)
    if change.verdict == "reclassified":
        return f"{before} → {after}"
    overlap = "" if math.isnan(change.iou) else f", IoU {change.iou:.2f}"
    return (before if change.predicted else after) + overlap


def _kind(change: Change) -> Hashable:
    return change.verdict, pair_of(change) if change.verdict == "reclassified" else None
