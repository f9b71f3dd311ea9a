"""One image of a project for its report."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import shapely

from cerberus_annotate.annotate.commit import work_folder
from cerberus_annotate.annotate.opening import open_image, pixel_size
from cerberus_annotate.annotate.options import Options
from cerberus_annotate.feedback.reviewed import has_marks, is_mark
from cerberus_annotate.feedback.runs import Run
from cerberus_annotate.feedback.shapes import geometry_array
from cerberus_annotate.feedback.standing_ledger import standing_ledger
from cerberus_annotate.garbage import no_collection
from cerberus_annotate.harvest.reading import ImageReview, review_image
from cerberus_annotate.harvest.types import Meaning
from cerberus_annotate.objects.class_names import class_colour
from cerberus_annotate.qupath import Image, PathObject, Project
from cerberus_annotate.report.facts import ClassCount, Colour, Rgb, SlideFacts
from cerberus_annotate.report.gathering.corrections import Correction, corrections_of
from cerberus_annotate.report.outlines import draw_outlines
from cerberus_annotate.slide.slide import Slide
from cerberus_annotate.slide.tissue import tissue_polygons

MOST_DRAWN = 5000
"""Outlines in a thumbnail, the largest ones; smaller ones would be dots on dots."""

REVIEWED_COLOUR: Colour = (0, 150, 80)


@dataclass(frozen=True)
class Seen:
    """facts: of the image. corrections: the most telling. models: model → (accepted, reviewed predictions)."""

    facts: SlideFacts
    corrections: tuple[Correction, ...]
    models: Mapping[str, tuple[int, int]]


@no_collection()
def look_at_slide(
    project: Project, image: Image, options: Options, meaning: Meaning, runs: Mapping[str, Run], side: int
) -> Seen:
    """Reads an image with its objects.  side: px of the thumbnail.  Raises CerberusError or OSError."""
    objects = [obj for obj in image.read_objects() if obj.roi is not None]
    warnings: list[str] = []
    with open_image(project, image, options) as slide:
        mpp, _ = pixel_size(image, slide, options.mpp)
        mm2 = mpp[0] * mpp[1] / 1e6
        tissue = tissue_polygons(slide, mpp).area * mm2 or None
        review = None
        if has_marks(objects, image.metadata):
            ledger, odd = standing_ledger(work_folder(project), image.id, image.name, objects)
            review = review_image(
                image.name,
                objects,
                ledger,
                image.metadata,
                (slide.width, slide.height),
                mpp,
                meaning,
                runs,
                "marked",
                (),
            )
            warnings += [*odd, *review.notes]
        picture = _thumbnail(slide, objects, side)
    reviewed = 0.0 if review is None else shapely.union_all(list(review.reviewed.areas.values())).area * mm2
    changes = () if review is None else review.changes
    facts = SlideFacts(
        image.name,
        picture,
        tissue,
        reviewed,
        class_counts(objects, tissue),
        dict(Counter(change.verdict for change in changes)),
        tuple(warnings),
    )
    return Seen(facts, tuple(corrections_of(changes)), {} if review is None else _models(review, runs))


def class_counts(objects: Sequence[PathObject], tissue_mm2: float | None) -> tuple[ClassCount, ...]:
    """Objects by class, the commonest first; regions to look at are none."""
    kept = [obj for obj in objects if not is_mark(obj)]
    counts = Counter(_class(obj) for obj in kept)
    colours = {_class(obj): _colour(obj) for obj in kept}
    return tuple(
        ClassCount(name, colours[name], count, None if tissue_mm2 is None else count / tissue_mm2)
        for name, count in counts.most_common()
    )


def _models(review: ImageReview, runs: Mapping[str, Run]) -> dict[str, tuple[int, int]]:
    found: dict[str, tuple[int, int]] = {}
    for change in review.changes:
        for entry in change.predicted:
            run = runs.get(review.run_of(entry))
            name = "unknown" if run is None else run.model
            accepted, of = found.get(name, (0, 0))
            found[name] = accepted + (change.verdict == "accepted"), of + 1
    return found


def _thumbnail(slide: Slide, objects: Sequence[PathObject], side: int) -> Rgb:
    picture = slide.thumbnail(side)
    scale = slide.width / picture.shape[1]
    sizes = shapely.area(geometry_array([obj.roi for obj in objects]))
    drawn = [objects[at] for at in np.argsort(-sizes, kind="stable")[:MOST_DRAWN].tolist()]
    outlines = [(obj.roi, _colour(obj)) for obj in drawn if obj.roi is not None]
    return draw_outlines(picture, outlines, (0, 0), scale, width=1)


def _class(obj: PathObject) -> str:
    return "no class" if obj.path_class is None else re.sub(r"\s+", " ", str(obj.path_class))


def _colour(obj: PathObject) -> Colour:
    if obj.path_class is None:
        return (90, 90, 90)
    return obj.path_class.colour or (REVIEWED_COLOUR if is_mark(obj) else class_colour(str(obj.path_class)))
