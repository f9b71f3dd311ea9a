"""What a pathologist who knows the truth would edit in a region.

A prediction whose overlap with a nucleus is good enough is left as it is. One that lies on a nucleus but badly is
reshaped, one of another type reclassified, one on no nucleus deleted, and nuclei that nothing lies on are added.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import shapely
from shapely.geometry import Polygon
from shapely.geometry.base import BaseGeometry

from cerberus_annotate.feedback.shapes import geometry_array, twins, valid_polygons
from cerberus_annotate.learn.data.labelled_image import LabelledImage
from cerberus_annotate.learn.evaluation.tasks.nuclei import types_of_objects
from cerberus_annotate.objects.class_names import class_name
from cerberus_annotate.objects.polygons import trace_polygons

GOOD = 0.7
"""IoU with a nucleus from which on an outline is not touched."""

SAME = 0.3
"""IoU above which a prediction is a nucleus' own, to be reshaped; below, it is deleted and the nucleus added."""

UNTYPED = "Nucleus"

Kind = Literal["reshaped", "reclassified", "deleted", "added"]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True)
class Nucleus:
    """outline: valid polygon in px of the image. path_class: as QuPath prints it; `Nucleus` where no type is known."""

    outline: BaseGeometry
    path_class: str = UNTYPED


@dataclass(frozen=True)
class Edit:
    """found: index of the prediction that is edited, None for an added nucleus. true: index of the nucleus that it
    becomes, None for a deleted one.
    """

    kind: Kind
    found: int | None
    true: int | None


def edits_in(region: Polygon, found: Sequence[Nucleus], true: Sequence[Nucleus]) -> list[Edit]:
    """The edits that make the predictions in a region right.

    found, true: all that touches the region, or more. Both are matched one to one by IoU, best first. Of a region are
    the nuclei, and of predictions on no nucleus those, that have at least half of their area in it, as in a harvest.
    """
    outlines = valid_polygons(geometry_array([one.outline for one in found]))
    truths = geometry_array([one.outline for one in true])
    match = matches(outlines, truths)
    edits: list[Edit] = []
    for at, is_here in enumerate(mainly_in(region, truths)):
        if not is_here:
            continue
        if at not in match:
            edits.append(Edit("added", None, at))
            continue
        own, overlap = match[at]
        if overlap < GOOD:
            edits.append(Edit("reshaped", own, at))
        if true[at].path_class not in (UNTYPED, found[own].path_class):
            edits.append(Edit("reclassified", own, at))
    taken = {own for own, _ in match.values()}
    here = mainly_in(region, outlines)
    edits += [Edit("deleted", at, None) for at in range(len(found)) if here[at] and at not in taken]
    return edits


def matches(found: np.ndarray, true: np.ndarray) -> dict[int, tuple[int, float]]:
    """Index of a nucleus → (index of its prediction, IoU).  found, true: object arrays of polygons or None."""
    left, right, overlaps = twins(found, true, SAME)
    best_first = np.lexsort((right, left, -overlaps)).tolist()
    matched: dict[int, tuple[int, float]] = {}
    used: set[int] = set()
    for own, at, overlap in ((int(left[pair]), int(right[pair]), float(overlaps[pair])) for pair in best_first):
        if overlap > SAME and own not in used and at not in matched:
            matched[at] = own, overlap
            used.add(own)
    return matched


def mainly_in(region: Polygon, outlines: np.ndarray) -> list[bool]:
    """Whether at least half of each outline's area lies in the region; None is nowhere."""
    inside = shapely.area(shapely.intersection(outlines, region))
    return (inside >= 0.5 * shapely.area(outlines)).tolist()


def nuclei_of(image: LabelledImage) -> list[Nucleus]:
    """The ground truth of an image, outlines along the pixels' edges."""
    assert image.nuclei is not None  # the sets that are left out are labelled so
    ids, outlines = trace_polygons(image.nuclei)
    if image.nucleus_types is None:
        return [Nucleus(outline) for outline in outlines.tolist()]
    types = types_of_objects(image.nuclei, image.nucleus_types, ids).tolist()
    texts = [class_name("nuclei", index, image.nucleus_labels) if index else UNTYPED for index in types]
    return [Nucleus(outline, text) for outline, text in zip(outlines.tolist(), texts, strict=True)]


def counted(edits: Sequence[Edit]) -> dict[str, int]:
    """How many edits there are of each kind."""
    return {kind: sum(edit.kind == kind for edit in edits) for kind in KINDS}
