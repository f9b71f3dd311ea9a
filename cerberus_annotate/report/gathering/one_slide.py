"""One image of a project for its report."""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import shapely
from shapely.geometry.base import BaseGeometry

from cerberus_annotate.annotate.commit import work_folder
from cerberus_annotate.annotate.opening import open_image, pixel_size
from cerberus_annotate.annotate.options import Options
from cerberus_annotate.errors import CerberusError, ImageRefusedError, SlideError
from cerberus_annotate.feedback.difference import Change
from cerberus_annotate.feedback.overwritten import MARK_KEY
from cerberus_annotate.feedback.reviewed import has_marks, is_mark
from cerberus_annotate.feedback.runs import Run
from cerberus_annotate.feedback.standing_ledger import standing_ledger
from cerberus_annotate.garbage import no_collection
from cerberus_annotate.harvest.reading import ImageReview, review_image
from cerberus_annotate.harvest.types import Meaning
from cerberus_annotate.objects.class_names import class_colour
from cerberus_annotate.qupath import Image, PathObject, Project
from cerberus_annotate.report.facts import ClassCount, Colour, SlideFacts
from cerberus_annotate.report.gathering.area import Area, area_of
from cerberus_annotate.report.gathering.corrections import Correction, Pair, class_shown, corrections_of, pair_of
from cerberus_annotate.report.gathering.thumbnail import thumbnail
from cerberus_annotate.slide.tissue import NOMINAL_MPP, tissue_polygons

logger = logging.getLogger(__name__)

REVIEWED_COLOUR: Colour = (0, 150, 80)


@dataclass(frozen=True)
class Seen:
    """facts: of the image. corrections: the most telling. verdicts: class → verdict → reviewed objects. pairs: (class
    before, class after) → objects reclassified so. models: model → (accepted, reviewed predictions).
    """

    facts: SlideFacts
    corrections: tuple[Correction, ...]
    verdicts: Mapping[str, Mapping[str, int]]
    pairs: Mapping[Pair, int]
    models: Mapping[str, tuple[int, int]]


@dataclass(frozen=True)
class _Pixels:
    """What comes from the slide. size: (width, height) in level-0 px. mpp: (x, y). Each None where nobody knows."""

    size: tuple[int, int] | None
    mpp: tuple[float, float] | None
    area: Area | None = None
    thumbnail: str | None = None


@no_collection()
def look_at_slide(
    project: Project, image: Image, options: Options, meaning: Meaning, runs: Mapping[str, Run], most: float
) -> Seen:
    """Reads an image with its objects; where its slide cannot be read, its objects alone, with the reason as a warning.

    most: characters of the thumbnail.  Raises CerberusError or OSError where the objects cannot be read.
    """
    objects = [obj for obj in image.read_objects() if obj.roi is not None]
    warnings: list[str] = []
    try:
        pixels = _read_pixels(project, image, options, objects, runs, most, warnings)
    except (CerberusError, OSError, MemoryError, ValueError) as error:
        logger.debug("slide of %s", image.name, exc_info=True)
        warnings.append(str(error) or type(error).__name__)
        pixels = _without_slide(image, options, objects, runs)
    review = _review(project, image, objects, pixels, meaning, runs, warnings)
    changes = () if review is None else review.changes
    mm2 = None if pixels.area is None else _mm2(pixels.area.shape.area, pixels.mpp) or None
    facts = SlideFacts(
        image.name,
        pixels.thumbnail,
        "" if pixels.area is None else pixels.area.said,
        mm2,
        0.0 if review is None else _mm2(shapely.union_all(list(review.reviewed.areas.values())).area, pixels.mpp),
        class_counts(objects, pixels.area, mm2),
        dict(Counter(change.verdict for change in changes)),
        tuple(warnings),
    )
    return Seen(
        facts,
        tuple(corrections_of(image.id, changes)),
        _by_class(changes),
        Counter(pair_of(change) for change in changes if change.verdict == "reclassified"),
        {} if review is None else _models(review, runs),
    )


def _read_pixels(
    project: Project,
    image: Image,
    options: Options,
    objects: Sequence[PathObject],
    runs: Mapping[str, Run],
    most: float,
    warnings: list[str],
) -> _Pixels:
    with open_image(project, image, options) as slide:
        size = slide.width, slide.height
        picture = thumbnail(slide, [(obj.roi, _colour(obj)) for obj in objects if obj.roi is not None], most)
        try:
            mpp, _ = pixel_size(image, slide, options.mpp)
        except ImageRefusedError as error:
            warnings.append(str(error))
            return _Pixels(size, None, thumbnail=picture)
        area = area_of(image.id, image.name, size, objects, runs, lambda: tissue_polygons(slide, mpp))
        return _Pixels(size, mpp, area, picture)


def _without_slide(image: Image, options: Options, objects: Sequence[PathObject], runs: Mapping[str, Run]) -> _Pixels:
    """What the project alone tells of it."""
    size = None if image.width is None or image.height is None else (image.width, image.height)

    def no_tissue() -> BaseGeometry:
        raise SlideError(f"The slide of image '{image.name}' cannot be read.")

    area = None if size is None else area_of(image.id, image.name, size, objects, runs, no_tissue)
    return _Pixels(size, image.pixel_size or options.mpp, area)


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
    ledger, odd = standing_ledger(
        work_folder(project), image.id, image.name, objects, image.properties.get(MARK_KEY, "")
    )
    mpp = pixels.mpp or (NOMINAL_MPP, NOMINAL_MPP)
    review = review_image(image.name, objects, ledger, image.metadata, pixels.size, mpp, meaning, runs, "marked", ())
    warnings += [*odd, *review.notes]
    return review


def _mm2(area: float, mpp: tuple[float, float] | None) -> float:
    """Of an area in level-0 px; 0 where the pixel size is not known."""
    return 0.0 if mpp is None else float(area) * mpp[0] * mpp[1] / 1e6


def class_counts(objects: Sequence[PathObject], area: Area | None, mm2: float | None) -> tuple[ClassCount, ...]:
    """Objects by class, the commonest first, with the densities of those in `area`; regions to look at are none.

    mm2: of the area, None where that is not known.
    """
    named = [obj for obj in objects if not is_mark(obj)]
    counts = Counter(_class(obj) for obj in named)
    colours = {_class(obj): _colour(obj) for obj in named}
    inside: Counter[str] = Counter()
    if area is not None:
        inside.update(_class(obj) for obj, is_in in zip(named, area.holds(named).tolist(), strict=True) if is_in)
    return tuple(
        ClassCount(name, colours[name], count, inside[name] / mm2 if mm2 else None)
        for name, count in counts.most_common()
    )


def _by_class(changes: Sequence[Change]) -> dict[str, Counter[str]]:
    """Class → verdict → objects; the class is the predicted one where there is a prediction, as in a harvest."""
    found: dict[str, Counter[str]] = {}
    for change in changes:
        found.setdefault(class_shown(change.class_before or change.class_after), Counter())[change.verdict] += 1
    return found


def _models(review: ImageReview, runs: Mapping[str, Run]) -> dict[str, tuple[int, int]]:
    found: dict[str, tuple[int, int]] = {}
    for change in review.changes:
        for entry in change.predicted:
            run = runs.get(review.run_of(entry))
            name = "unknown" if run is None else run.model
            accepted, of = found.get(name, (0, 0))
            found[name] = accepted + (change.verdict == "accepted"), of + 1
    return found


def _class(obj: PathObject) -> str:
    return class_shown("" if obj.path_class is None else str(obj.path_class))


def _colour(obj: PathObject) -> Colour:
    if obj.path_class is None:
        return (90, 90, 90)
    return obj.path_class.colour or (REVIEWED_COLOUR if is_mark(obj) else class_colour(str(obj.path_class)))
