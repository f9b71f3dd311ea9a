"""The most telling corrections of a project, as pictures before and after."""

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import shapely
from shapely.geometry.base import BaseGeometry

from cerberus_annotate.feedback.difference import Change, outline_of
from cerberus_annotate.feedback.shapes import geometry_array, valid_polygons
from cerberus_annotate.report.facts import Colour, Rgb, Strip
from cerberus_annotate.report.outlines import draw_outlines
from cerberus_annotate.slide.sampling import read_scaled
from cerberus_annotate.slide.slide import Slide

EACH, OF_SLIDE = 6, 2
"""Strips of a verdict, and how many of them from one slide."""

SIDE = 150
"""px of a picture."""

CONTEXT, LEAST = 1.6, 60
"""Side of a picture relative to the object, and the least in level-0 px."""

BEFORE: Colour = (230, 30, 30)
AFTER: Colour = (20, 140, 60)


@dataclass(frozen=True)
class Correction:
    """telling: larger is shown first. before, after: outlines in level-0 px."""

    verdict: str
    told: str
    telling: float
    before: tuple[BaseGeometry, ...]
    after: tuple[BaseGeometry, ...]


def corrections_of(changes: Sequence[Change]) -> list[Correction]:
    """All corrections but acceptances, for each verdict the most telling `OF_SLIDE` of a slide.

    Of reshaped objects those that overlap least with what was predicted; of reclassified ones those of the commonest
    pair of classes; of others the largest.
    """
    pairs = Counter((change.class_before, change.class_after) for change in changes if change.verdict == "reclassified")
    found: dict[str, list[Correction]] = defaultdict(list)
    for change in changes:
        if change.verdict == "accepted":
            continue
        before = tuple(entry.polygon for entry in change.predicted)
        outlines = valid_polygons(geometry_array([outline_of(obj) for obj in change.objects]))
        after = tuple(one for one in outlines.tolist() if one is not None)
        if not before and not after:
            continue
        if change.verdict == "reshaped":
            telling = 1 - change.iou
        elif change.verdict == "reclassified":
            telling = float(pairs[change.class_before, change.class_after])
        else:
            telling = float(shapely.union_all([*before, *after]).area)
        found[change.verdict].append(Correction(change.verdict, _told(change), telling, before, after))
    best = (sorted(some, key=lambda one: -one.telling)[:OF_SLIDE] for some in found.values())
    return [one for some in best for one in some]


def strip_of(correction: Correction, slide: Slide, name: str) -> Strip:
    """The pictures of a correction.  Raises SlideError."""
    left, top, right, bottom = shapely.total_bounds([*correction.before, *correction.after]).tolist()
    side = max(CONTEXT * max(right - left, bottom - top), LEAST)
    scale = side / SIDE
    x, y = (round(((low + high) / 2 - side / 2) / scale) for low, high in ((left, right), (top, bottom)))
    pixels = read_scaled(slide, x, y, SIDE, SIDE, (scale, scale))

    def drawn(outlines: Sequence[BaseGeometry], colour: Colour) -> Rgb:
        return draw_outlines(pixels, [(one, colour) for one in outlines], (x * scale, y * scale), scale)

    return Strip(
        correction.verdict, name, correction.told, drawn(correction.before, BEFORE), drawn(correction.after, AFTER)
    )


def chosen(found: Sequence[tuple[str, Correction]]) -> list[tuple[str, Correction]]:
    """Of (image id, correction) the most telling `EACH` of every verdict."""
    of_verdict: dict[str, list[tuple[str, Correction]]] = defaultdict(list)
    for pair in found:
        of_verdict[pair[1].verdict].append(pair)
    return [pair for some in of_verdict.values() for pair in sorted(some, key=lambda one: -one[1].telling)[:EACH]]


def _told(change: Change) -> str:
    before, after = change.class_before or "no class", change.class_after or "no class"
    if change.verdict == "reclassified":
        return f"{before} → {after}"
    overlap = "" if math.isnan(change.iou) else f", IoU {change.iou:.2f}"
    return (before if change.predicted else after) + overlap
