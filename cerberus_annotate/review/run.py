"""The review queue of a project: look at a sample of every slide, rank it, write the best into the project."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import shapely

from cerberus_annotate.annotate.opening import check_type, choose_images, open_image, pixel_size
from cerberus_annotate.annotate.options import Options
from cerberus_annotate.annotate.regions import find_regions
from cerberus_annotate.errors import CerberusError
from cerberus_annotate.feedback.reviewed import REVIEWED_CLASS, ignored_area, reviewed_areas
from cerberus_annotate.feedback.shapes import geometry_array, valid_polygons
from cerberus_annotate.garbage import no_collection
from cerberus_annotate.network.model import Model
from cerberus_annotate.qupath import Image, PathClass, PathObject, Project
from cerberus_annotate.review.candidates import Bounds, candidates
from cerberus_annotate.review.observation import Observation
from cerberus_annotate.review.observing import Observer
from cerberus_annotate.review.options import TASKS, ReviewOptions, tasks_to_review
from cerberus_annotate.review.pictures import picture_of
from cerberus_annotate.review.ranking import Candidate, RankedRegion, rank
from cerberus_annotate.review.writing import Proposal, split_earlier, to_review_class, write_proposals
from cerberus_annotate.slide.slide import Rgb, Slide
from cerberus_annotate.slide.tissue import tissue_polygons

logger = logging.getLogger(__name__)

MOST_PER_IMAGE = 150
MOST = 6000
"""Candidates that are looked at in a project: 1,000 slides give six each."""

Progress = Callable[[int, int, str], None]
"""Called with the number of regions of the image looked at, of all of them, and the image's name."""


@dataclass(frozen=True)
class QueuedRegion:
    """A region of the queue.  rank: from 1. image: its name. bounds: in level-0 px. mpp: (x, y) µm/px. score, parts,
    reason: as in `RankedRegion`. picture: uint8 (h, w, 3), None where the slide could not be read any more.
    """

    rank: int
    image_id: str
    image: str
    bounds: Bounds
    mpp: tuple[float, float]
    score: float
    parts: Mapping[str, float]
    reason: str
    picture: Rgb | None


@dataclass(frozen=True)
class Queue:
    """regions: those that stand in the project now, in order of rank. candidates: how many were looked at. squares: how
    many the images have in all, on tissue or not. images: how many were looked at. blurred, empty: candidates set aside
    for it. kept: `To review` annotations that somebody drew or changed. failed: image's entryID → sentence.
    """

    regions: tuple[QueuedRegion, ...]
    candidates: int
    squares: int
    images: int
    blurred: int
    empty: int
    kept: int
    failed: Mapping[str, str]


@dataclass(frozen=True)
class _Looked:
    """What was seen of an image.  expected: its fingerprint then. waits: whether an earlier queue's regions stand in
    it. kept: as in `Queue`.
    """

    image: Image
    expected: str
    mpp: tuple[float, float]
    regions: list[Bounds]
    seen: list[Observation]
    squares: int
    waits: bool
    kept: int


def review(project: Project, model: Model, options: ReviewOptions, progress: Progress | None = None) -> Queue:
    """Writes the regions of `project` that are most worth reviewing into it, as annotations of class `To review`.

    Those of an earlier queue that nobody changed go. An image that fails does not stop the others.  Raises UsageError,
    ProjectError or ProjectLockedError when nothing can be done at all.
    """
    options.check()
    tasks = tasks_to_review(options.tasks, model.tasks, model.name)
    chosen = choose_images(project, options.images)
    observer = Observer.of(model, tasks, options.precision)
    failed: dict[str, str] = {}
    with project.lock():
        looked = _look_at_all(project, chosen, observer, options, failed, progress)
        every = [Candidate(one.image.id, bounds) for one in looked for bounds in one.regions]
        ranking = rank(every, [seen for one in looked for seen in one.seen], options.budget)
        if ranking.regions:
            project.add_classes([to_review_class(), PathClass.of(REVIEWED_CLASS, (0, 150, 80))])
        queued = _write_all(project, looked, ranking.regions, options, failed)
    return Queue(
        regions=tuple(sorted(queued, key=lambda region: region.rank)),
        candidates=len(every),
        squares=sum(one.squares for one in looked),
        images=len(looked),
        blurred=ranking.blurred,
        empty=ranking.empty,
        kept=sum(one.kept for one in looked),
        failed=failed,
    )


def _look_at_all(
    project: Project,
    images: Sequence[Image],
    observer: Observer,
    options: ReviewOptions,
    failed: dict[str, str],
    progress: Progress | None,
) -> list[_Looked]:
    most = max(1, min(MOST_PER_IMAGE, MOST // len(images)))
    looked = []
    for image in images:
        told = progress or (lambda done, total, name: None)
        try:
            looked.append(_look_at(project, image, observer, options, most, told))
        except Exception as error:  # one image must not stop the others; the true reason is told
            failed[image.id] = _sentence(image.name, error)
    return looked


def _look_at(
    project: Project, image: Image, observer: Observer, options: ReviewOptions, most: int, progress: Progress
) -> _Looked:
    """One image through the network.  Raises CerberusError, OSError or MemoryError."""
    name = image.name
    progress(0, 1, name)
    check_type(name, image.image_type, options.any_stain)
    opening = Options(mpp=options.mpp, slides_dirs=options.slides_dirs)
    with open_image(project, image, opening) as slide:
        mpp, _ = pixel_size(image, slide, options.mpp)
        expected = image.fingerprint()
        with no_collection():
            objects = image.read_objects()
        ours, kept = split_earlier(objects)
        side = options.size / mpp[0], options.size / mpp[1]
        seed = [options.seed, *image.id.encode()]
        taken = _taken(image, slide, objects, kept)
        if taken.covers(shapely.box(0, 0, slide.width, slide.height)):
            return _Looked(image, expected, mpp, [], [], 0, bool(ours), len(kept))
        frames, area = _where(image, slide, objects, mpp)
        regions, squares = candidates(frames, side, area, taken, most, seed)
        seen = observer.observe(slide, mpp, regions, lambda done: progress(done, len(regions), name))
    return _Looked(image, expected, mpp, regions, seen, squares, bool(ours), len(kept))


def _where(
    image: Image, slide: Slide, objects: Sequence[PathObject], mpp: tuple[float, float]
) -> tuple[list[tuple[float, float, float, float]], shapely.Geometry | None]:
    """Rectangles to cut into squares, and the area that squares must lie in."""
    size = slide.width, slide.height
    found = find_regions("auto", image.name, size, objects, lambda: tissue_polygons(slide, mpp))
    if not found.parents:
        return [(0, 0, *size)], found.area
    return [part.bounds for part in shapely.get_parts(found.area).tolist()], found.area


def _taken(image: Image, slide: Slide, objects: Sequence[PathObject], kept: Sequence[PathObject]) -> shapely.Geometry:
    """Where nothing is to be proposed: reviewed for whatever task, to be ignored, or waiting for review already."""
    size = slide.width, slide.height
    reviewed = reviewed_areas(image.name, objects, image.metadata, size, TASKS, TASKS)
    outlines = valid_polygons(geometry_array([obj.roi for obj in kept]))
    waiting = outlines[~shapely.is_missing(outlines)].tolist()
    return shapely.union_all([*reviewed.areas.values(), ignored_area(objects), *waiting])


def _write_all(
    project: Project,
    looked: Sequence[_Looked],
    ranked: Sequence[RankedRegion],
    options: ReviewOptions,
    failed: dict[str, str],
) -> list[QueuedRegion]:
    of_image: dict[str, list[tuple[int, RankedRegion]]] = {}
    for number, region in enumerate(ranked, start=1):
        of_image.setdefault(region.candidate.image, []).append((number, region))
    run_id = f"review-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    queued: list[QueuedRegion] = []
    for one in looked:
        numbered = of_image.get(one.image.id, [])
        if not numbered and not one.waits:
            continue
        proposals = [Proposal(at, region.candidate.bounds, region.score, region.reason) for at, region in numbered]
        try:
            objects = write_proposals(project, one.image, one.expected, proposals, options.tasks, run_id)
        except Exception as error:  # as above
            failed[one.image.id] = _sentence(one.image.name, error)
            continue
        pictures = _pictures(project, one.image, proposals, objects, options)
        queued += [
            QueuedRegion(
                at,
                one.image.id,
                one.image.name,
                region.candidate.bounds,
                one.mpp,
                region.score,
                region.parts,
                region.reason,
                pictures.get(at),
            )
            for at, region in numbered
        ]
    return queued


def _pictures(
    project: Project,
    image: Image,
    proposals: Sequence[Proposal],
    objects: Sequence[PathObject],
    options: ReviewOptions,
) -> dict[int, Rgb]:
    """Rank → picture; none where the slide went away meanwhile, which costs no region."""
    if not proposals:
        return {}
    try:
        with open_image(project, image, Options(slides_dirs=options.slides_dirs)) as slide:
            return {one.rank: picture_of(slide, one.bounds, objects) for one in proposals}
    except (CerberusError, OSError):
        logger.debug("pictures of %s", image.name, exc_info=True)
        return {}


def _sentence(name: str, error: Exception) -> str:
    logger.debug("image %s", name, exc_info=True)
    if isinstance(error, CerberusError):
        return str(error)
    if isinstance(error, MemoryError):
        return f"Memory ran out at image '{name}'. Close other programs and run again."
    reason = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return f"Image '{name}' failed ({reason})."
