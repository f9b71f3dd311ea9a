"""One image of a project for its report."""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import shapely

from cerberus_annotate.annotate.commit import work_folder
from cerberus_annotate.annotate.opening import open_image, pixel_size
from cerberus_annotate.annotate.options import Options
from cerberus_annotate.errors import CerberusError, ImageRefusedError
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
from cerberus_annotate.report.gathering.corrections import Correction, Pair, class_shown, corrections_of, pair_of
from cerberus_annotate.report.outlines import draw_outlines
from cerberus_annotate.report.pictures import jpeg_data_uri
from cerberus_annotate.slide.slide import Slide
from cerberus_annotate.slide.tissue import NOMINAL_MPP, tissue_polygons

logger = logging.getLogger(__name__)

MOST_DRAWN = 5000
"""Outlines in a thumbnail, the largest ones; smaller ones would be dots on dots."""

THUMBNAIL_QUALITY = 55

REVIEWED_COLOUR: Colour = (0, 150, 80)


@dataclass(frozen=True)
class Seen:
    """facts: of the image. corrections: the most telling. pairs: (class before, class after) → objects reclassified so.
    models: model → (accepted, reviewed predictions).
    """

    facts: SlideFacts
    corrections: tuple[Correction, ...]
    pairs: Mapping[Pair, int]
    models: Mapping[str, tuple[int, int]]


@dataclass(frozen=True)
class _Pixels:
    """What comes from the slide. size: (width, height) in level-0 px. mpp: (x, y). Each None where nobody knows."""

    size: tuple[int, int] | None
    mpp: tuple[float, float] | None
    tissue_mm2: float | None = None
    thumbnail: str | None = None


@no_collection()
def look_at_slide(
    project: Project, image: Image, options: Options, meaning: Meaning, runs: Mapping[str, Run], side: int
) -> Seen:
    """Reads an image with its objects; where its slide cannot be read, its objects alone, with the reason as a warning.

    side: px of the thumbnail.  Raises CerberusError or OSError where the objects cannot be read.
    """
    objects = [obj for obj in image.read_objects() if obj.roi is not None]
    warnings: list[str] = []
    try:
        pixels = _read_pixels(project, image, options, objects, side, warnings)
    except (CerberusError, OSError, MemoryError, ValueError) as error:
        logger.debug("slide of %s", image.name, exc_info=True)
        warnings.append(str(error) or type(error).__name__)
        pixels = _Pixels(_size_of(image), image.pixel_size or options.mpp)
    review = _review(project, image, objects, pixels, meaning, runs, warnings)
    changes = () if review is None else review.changes
    facts = SlideFacts(
        image.name,
        pixels.thumbnail,
        pixels.tissue_mm2,
        0.0 if review is None else _mm2(shapely.union_all(list(review.reviewed.areas.values())).area, pixels.mpp),
        class_counts(objects, pixels.tissue_mm2),
        dict(Counter(change.verdict for change in changes)),
        tuple(warnings),
    )
    return Seen(
        facts,
        tuple(corrections_of(image.id, changes)),
        Counter(pair_of(change) for change in changes if change.verdict == "reclassified"),
        {} if review is None else _models(review, runs),
    )


def _read_pixels(
    project: Project,
    image: Image,
    options: Options,
    objects: Sequence[PathObject],
    side: int,
    warnings: list[str],
) -> _Pixels:
    with open_image(project, image, options) as slide:
        size = slide.width, slide.height
        thumbnail = jpeg_data_uri(_thumbnail(slide, objects, side), THUMBNAIL_QUALITY)
        try:
            mpp, _ = pixel_size(image, slide, options.mpp)
        except ImageRefusedError as error:
            warnings.append(str(error))
            return _Pixels(size, None, thumbnail=thumbnail)
        return _Pixels(size, mpp, _mm2(tissue_polygons(slide, mpp).area, mpp) or None, thumbnail)


def _review(
    project: Project,
    image: Image,
    objects: Sequence[PathObject],
    pixels: _Pixels,
    meaning: Meaning,
    runs: Mapping[str, Run],
    warnings: list[str],
) -> ImageReview | None:
    """What became of the predictions; None where nothing is marked as reviewed, or the image's size is not known."""
    if pixels.size is None or not has_marks(objects, image.metadata):
        return None
    ledger, odd = standing_ledger(work_folder(project), image.id, image.name, objects)
    mpp = pixels.mpp or (NOMINAL_MPP, NOMINAL_MPP)
    review = review_image(image.name, objects, ledger, image.metadata, pixels.size, mpp, meaning, runs, "marked", ())
    warnings += [*odd, *review.notes]
    return review


def _size_of(image: Image) -> tuple[int, int] | None:
    return None if image.width is None or image.height is None else (image.width, image.height)


def _mm2(area: float, mpp: tuple[float, float] | None) -> float:
    """Of an area in level-0 px; 0 where the pixel size is not known."""
    return 0.0 if mpp is None else float(area) * mpp[0] * mpp[1] / 1e6


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
    return class_shown("" if obj.path_class is None else str(obj.path_class))


def _colour(obj: PathObject) -> Colour:
    if obj.path_class is None:
        return (90, 90, 90)
    return obj.path_class.colour or (REVIEWED_COLOUR if is_mark(obj) else class_colour(str(obj.path_class)))
