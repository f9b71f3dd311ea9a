"""The most telling corrections of a project, as pictures before and after."""

import math
import re
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from cerberus_annotate.feedback.difference import Change, Verdict, outline_of
from cerberus_annotate.feedback.shapes import geometry_array, valid_polygons
from cerberus_annotate.report.facts import Colour, Rgb, Strip
from cerberus_annotate.report.outlines import draw_outlines
from cerberus_annotate.slide.sampling import grid_size, read_scaled
from cerberus_annotate.slide.slide import Slide

EACH, OF_SLIDE, OF_PAIR = 6, 2, 2
"""Strips of a verdict, how many of them from one slide, and how many of one pair of classes before the next pair."""

SIDE = 220
"""px of a picture."""

CONTEXT, LEAST_UM = 1.6, 20.0
"""Side of a picture relative to the object, and the least in µm."""

BEFORE: Colour = (230, 30, 30)
AFTER: Colour = (20, 140, 60)

T = TypeVar("T")
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
    """The most telling corrections of an image: `OF_SLIDE` of each verdict, of reclassified ones of each class pair.

    Of reshaped objects those that overlap least with what was predicted, of reclassified ones those that the model was
    surest of, of others the largest.
    """
    corrected = [change for change in changes if change.verdict != "accepted"]
    ordered = sorted(corrected, key=lambda change: -_telling(change))
    found = [_correction(image, change) for change in _take(ordered, (_kind_of_change, OF_SLIDE))]
    return [one for one in found if one.before or one.after]


def kept(found: Sequence[Correction]) -> list[Correction]:
    """Those that may still be `chosen`, whatever comes after; their number does not grow with the slides."""
    return _take(sorted(found, key=lambda one: -one.telling), (_kind, EACH))


def chosen(found: Sequence[Correction], pairs: Mapping[Pair, int]) -> list[Correction]:
    """The most telling `EACH` of every verdict, `OF_SLIDE` of them of one slide; of reclassified ones in turn `OF_PAIR`
    of each pair of classes, the commonest first.  pairs: how many were reclassified so.
    """
    turn: Counter[Pair] = Counter()
    order: list[tuple[int, int, float]] = []
    ordered = sorted(found, key=lambda one: -one.telling)
    for one in ordered:
        is_pair = one.verdict == "reclassified"
        order.append((turn[one.pair] // OF_PAIR, -pairs[one.pair], -one.telling) if is_pair else (0, 0, -one.telling))
        turn[one.pair] += is_pair
    by_order = [ordered[at] for at in sorted(range(len(ordered)), key=order.__getitem__)]
    return _take(by_order, (lambda one: one.verdict, EACH), (lambda one: (one.verdict, one.image), OF_SLIDE))


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


def _kind(correction: Correction) -> Hashable:
    return correction.verdict, correction.pair if correction.verdict == "reclassified" else None


def _kind_of_change(change: Change) -> Hashable:
    return change.verdict, pair_of(change) if change.verdict == "reclassified" else None


def _take(ordered: Iterable[T], *limits: tuple[Callable[[T], Hashable], int]) -> list[T]:
    """In this order, but never more of one key than its limit says."""
    taken: list[T] = []
    counts: Counter[tuple[int, Hashable]] = Counter()
    for one in ordered:
        keys = [(at, key(one)) for at, (key, _) in enumerate(limits)]
        if all(counts[key] < most for key, (_, most) in zip(keys, limits, strict=True)):
            taken.append(one)
            counts.update(keys)
    return taken
