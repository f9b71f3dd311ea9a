"""One image of a harvest: read, compared, cut into patches, written."""

import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import shapely

from cerberus_annotate.annotate.commit import work_folder
from cerberus_annotate.annotate.opening import open_image, pixel_size
from cerberus_annotate.annotate.options import Options
from cerberus_annotate.errors import ProjectChangedError, SlideError
from cerberus_annotate.feedback.difference import Change
from cerberus_annotate.feedback.ledger import ledger_path, pending_path
from cerberus_annotate.feedback.overwritten import MARK_KEY
from cerberus_annotate.feedback.reviewed import has_marks, ignored_area, reviewed_areas
from cerberus_annotate.feedback.runs import Run
from cerberus_annotate.feedback.shapes import geometry_array
from cerberus_annotate.feedback.standing_ledger import standing_ledger
from cerberus_annotate.garbage import no_collection
from cerberus_annotate.harvest.differences import differences_json
from cerberus_annotate.harvest.folder import (
    DIFFERENCES,
    ImageRecord,
    PatchRecord,
    RegionRecord,
    UnreviewedRecord,
    write_file,
)
from cerberus_annotate.harvest.options import HarvestOptions
from cerberus_annotate.harvest.patches import CELL, lay_patches
from cerberus_annotate.harvest.reading import ImageReview, review_image
from cerberus_annotate.harvest.regions import ReviewedRegion, regions_of
from cerberus_annotate.harvest.splits import patient_of
from cerberus_annotate.harvest.types import TASKS, VOCABULARY, Meaning, with_new_types
from cerberus_annotate.harvest.unreviewed import MOST, SIDES, TISSUE_SHARE, unreviewed_squares, write_unreviewed
from cerberus_annotate.harvest.writing import DrawnObjects, draw_patch, patch_digest, write_patch
from cerberus_annotate.qupath import Image, PathObject, Project
from cerberus_annotate.slide.slide import Slide
from cerberus_annotate.slide.tissue import tissue_polygons

MPP = 0.25
"""µm/px of patches, the input of our networks; those of a coarser slide have its own."""

CLOSE = 1.1
"""A slide up to this much finer is not resampled."""


@dataclass(frozen=True)
class Task:
    """What is the same for all images of a harvest. runs: by id."""

    project: Project
    folder: Path
    options: HarvestOptions
    meaning: Meaning
    runs: Mapping[str, Run]


@dataclass(frozen=True)
class Harvested:
    """record: None where nothing of the image was reviewed. labels: types by task, grown. notes: also in the record."""

    record: ImageRecord | None
    labels: Mapping[str, list[str]]
    notes: tuple[str, ...] = ()
    unchanged: bool = False


def harvest_image(task: Task, image: Image, before: ImageRecord | None, labels: Mapping[str, list[str]]) -> Harvested:
    """Harvests one image; what is as `before` is neither drawn nor written again.

    Raises CerberusError or OSError; files that were written by then belong to no harvest yet. An image that QuPath
    saves meanwhile is read once more, then refused with ProjectChangedError.
    """
    for attempt in (1, 2):
        expected = image.fingerprint()
        state = _state(task, image, expected)
        if before is not None and before.state == state and all((task.folder / p).is_file() for p in before.files()):
            return Harvested(before, labels, before.notes, unchanged=True)
        try:
            done = _harvest(task, image, before, labels, state)
        except Exception:
            if attempt == 1 and image.fingerprint() != expected:
                continue  # half of it was read from one state, half from the other
            raise
        if image.fingerprint() == expected:
            return done
    raise ProjectChangedError(
        f"Image '{image.name}' was saved in QuPath twice while it was harvested. Save it and run the command again."
    )


def _state(task: Task, image: Image, fingerprint: str) -> str:
    """A digest of all that decides what is harvested from an image, but for the slide."""
    path = ledger_path(work_folder(task.project), image.id)
    ledgers = [one.read_bytes() if one.is_file() else b"" for one in (path, pending_path(path))]
    told = (
        fingerprint.rpartition(":")[2],
        image.name,
        sorted(image.metadata.items()),
        image.pixel_size,
        sorted(task.options.as_dict().items()),
        sorted(task.meaning.tasks.items()),
        sorted(task.meaning.ours.items()),
        [hashlib.sha256(one).hexdigest() for one in ledgers],
        (MOST, SIDES, TISSUE_SHARE),  # so that harvests of before there were such pictures get them
    )
    return hashlib.sha256(repr(told).encode()).hexdigest()


@no_collection()
def _harvest(
    task: Task, image: Image, before: ImageRecord | None, labels: Mapping[str, list[str]], state: str
) -> Harvested:
    objects = image.read_objects()
    unmarked = task.options.reviewed == "marked" and not has_marks(objects, image.metadata)
    if not objects or unmarked:
        return Harvested(None, labels)  # its slide may be missing, nobody needs it
    options = Options(mpp=task.options.mpp, slides_dirs=task.options.slides_dirs)
    ledger, odd = standing_ledger(
        work_folder(task.project), image.id, image.name, objects, image.properties.get(MARK_KEY, "")
    )
    with open_image(task.project, image, options) as slide:
        mpp, _ = pixel_size(image, slide, task.options.mpp)
        review = review_image(
            image.name,
            objects,
            ledger,
            image.metadata,
            (slide.width, slide.height),
            mpp,
            task.meaning,
            task.runs,
            task.options.reviewed,
            task.options.tasks,
        )
        if not review.reviewed.areas:
            return Harvested(None, labels, review.notes)
        grown = with_new_types(labels, _types_in(review))
        notes = (*odd, *review.notes, *_new_types_said(image.name, labels, grown))
        regions = _regions(task, image, slide, mpp, review, grown, before)
        unreviewed, said = _unreviewed(task, image, slide, mpp, review, objects, before)
        notes = (*notes, *said)
        slide_name = slide.path.name
    patient = patient_of(image.name, image.metadata, task.options.patient_pattern)
    known = {one.id: one for one in task.runs.values()}
    path, checksum = _write_differences(task, image, review)
    record = ImageRecord(
        id=image.id,
        name=image.name,
        slide=slide_name,
        patient=patient,
        group=patient or slide_name,
        state=state,
        regions=regions,
        counts=dict(Counter(change.verdict for change in review.changes)),
        classes=_nested(
            ((change.class_before or change.class_after or "no class"), change) for change in review.changes
        ),
        models=_nested(
            (known[run].model if (run := review.run_of(entry)) in known else "unknown", change)
            for change in review.changes
            for entry in change.predicted
        ),
        runs={
            run: {"model": known[run].model, "sha256": known[run].sha256, "started": known[run].started}
            for run in sorted({run for region in regions for run in region.runs})
            if run in known
        },
        differences=path,
        differences_sha256=checksum,
        notes=notes,
        unreviewed=unreviewed,
    )
    return Harvested(record, grown, notes)


def _nested(pairs: Any) -> dict[str, dict[str, int]]:
    """Name → verdict → count."""
    counts: dict[str, Counter[str]] = {}
    for name, change in pairs:
        counts.setdefault(name, Counter())[change.verdict] += 1
    return {name: dict(of_name) for name, of_name in sorted(counts.items())}


def _types_in(review: ImageReview) -> dict[str, set[str]]:
    return {task: {one.type for one in review.drawn[task]} for task in VOCABULARY if task in review.reviewed.areas}


def _new_types_said(name: str, labels: Mapping[str, list[str]], grown: Mapping[str, list[str]]) -> list[str]:
    return [
        f"Image '{name}' has the class '{new}' of {task}, which is none of ours; it is harvested as a type of its own."
        for task, names in grown.items()
        for new in names[len(labels.get(task, VOCABULARY[task])) :]
    ]


def _regions(
    task: Task,
    image: Image,
    slide: Slide,
    mpp: tuple[float, float],
    review: ImageReview,
    labels: Mapping[str, list[str]],
    before: ImageRecord | None,
) -> tuple[RegionRecord, ...]:
    target, scale = _grid(mpp)
    size = int(slide.width / scale[0]), int(slide.height / scale[1])
    drawn = {name: _drawn(review, name, scale, labels) for name in review.reviewed.areas}
    together = CELL * scale[0] if task.options.reviewed == "edited" else None
    known = {} if before is None else {patch.digest: patch for patch in before.patches}
    unclear = shapely.STRtree(_scaled(review.unclear, scale))
    content = _content_of(slide, target)
    saved = datetime.fromtimestamp(image.data_path.stat().st_mtime, UTC).isoformat(timespec="seconds")
    records = []
    for region in regions_of(review.reviewed, image.metadata, together):
        area = _scaled(region.area, scale)
        outlines = {name: drawn[name].outlines for name in region.tasks}
        trees = {name: drawn[name].tree for name in region.tasks}
        patches: list[PatchRecord] = []
        for number, patch in enumerate(lay_patches(area, outlines, trees, size)):
            maps = draw_patch(patch, region.tasks, drawn, unclear)
            if not maps.tasks:
                continue
            digest = patch_digest(patch, maps, content)
            if digest in known and all((task.folder / path).is_file() for path in known[digest].checksums):
                patches.append(known[digest])
                continue
            name = _patch_name(image, region, number)
            patches.append(write_patch(task.folder, name, patch, maps, digest, slide, scale, target))
        records.append(_region_record(region, review, mpp, saved, tuple(patches)))
    return tuple(records)


def _grid(mpp: tuple[float, float]) -> tuple[float, tuple[float, float]]:
    """µm/px of an image's patches, and level-0 px of one of their px."""
    own = (mpp[0] * mpp[1]) ** 0.5
    target = own if own * CLOSE >= MPP else MPP
    square = abs(mpp[0] / mpp[1] - 1) < 0.01
    return target, (1.0, 1.0) if target == own and square else (target / mpp[0], target / mpp[1])


def _unreviewed(
    task: Task,
    image: Image,
    slide: Slide,
    mpp: tuple[float, float],
    review: ImageReview,
    objects: Sequence[PathObject],
    before: ImageRecord | None,
) -> tuple[tuple[UnreviewedRecord, ...], tuple[str, ...]]:
    """The pictures, and a sentence where the slide cannot be read as far as they need it."""
    target, scale = _grid(mpp)
    size = slide.width, slide.height
    # whatever the mode and the tasks that were chosen
    marked = reviewed_areas(image.name, objects, image.metadata, size, TASKS, TASKS).areas
    taken = shapely.union_all([*marked.values(), *review.reviewed.areas.values(), ignored_area(objects)])
    if taken.covers(shapely.box(0, 0, *size)):
        return (), ()
    on_grid = int(slide.width / scale[0]), int(slide.height / scale[1])
    seed = f"{slide.path.name} {slide.width} {slide.height}"
    known = {} if before is None else {one.name: one for one in before.unreviewed}
    try:
        tissue = _scaled(tissue_polygons(slide, mpp), scale)
        squares = unreviewed_squares(tissue, _scaled(taken, scale), on_grid, seed)
        content = _content_of(slide, target)
        return write_unreviewed(task.folder, _stem(image), squares, slide, scale, target, content, known), ()
    except SlideError as error:  # what was reviewed was read
        return (), (f"Of image '{image.name}' no pictures of unreviewed tissue were taken: {error}",)


def _region_record(
    region: ReviewedRegion,
    review: ImageReview,
    mpp: tuple[float, float],
    saved: str,
    patches: tuple[PatchRecord, ...],
) -> RegionRecord:
    runs = {review.run_of(entry) for change in review.changes for entry in change.predicted if _touches(change, region)}
    return RegionRecord(
        outline=shapely.to_wkt(region.area, rounding_precision=2),
        tasks=region.tasks,
        area_mm2=round(region.area.area * mpp[0] * mpp[1] / 1e6, 6),
        marks=region.marks,
        reviewer=region.reviewer,
        reviewed_at=region.reviewed_at,
        saved_at=saved,
        runs=tuple(sorted(runs)),
        patches=patches,
    )


def _touches(change: Change, region: ReviewedRegion) -> bool:
    left, top, right, bottom = region.area.bounds
    x, y = change.predicted[0].polygon.exterior.coords[0]
    return change.task in region.tasks and left <= x <= right and top <= y <= bottom


def _drawn(review: ImageReview, task: str, scale: tuple[float, float], labels: Mapping[str, list[str]]) -> DrawnObjects:
    objects = review.drawn[task]
    index = {name: at for at, name in enumerate(labels.get(task, ()))} | {"": 0}
    outlines = np.asarray(_scaled(geometry_array([one.outline for one in objects]), scale), object)
    types = np.array([index.get(one.type, 0) for one in objects], np.uint8)
    return DrawnObjects(outlines, shapely.STRtree(outlines), types)


def _scaled(shape: Any, scale: tuple[float, float]) -> Any:
    """One geometry or an array of them in px of the patches' grid."""
    return shape if scale == (1.0, 1.0) else shapely.transform(shape, lambda xy: xy / scale)


def _content_of(slide: Slide, mpp: float) -> str:
    """Tells the slide's content from another without reading all of it, and µm/px of its patches from others."""
    state = slide.path.stat()
    return f"{slide.width} {slide.height} {state.st_size} {state.st_mtime_ns} {mpp:.6g}"


def _patch_name(image: Image, region: ReviewedRegion, number: int) -> str:
    """Of the image and the region's place; another region at the same place has another digest."""
    x, y = (round(value) for value in region.area.bounds[:2])
    digest = hashlib.sha256(shapely.to_wkb(region.area) + ",".join(region.tasks).encode()).hexdigest()[:6]
    return f"{_stem(image)}-{x}-{y}-{digest}" + (f"-{number}" if number else "")


def _stem(image: Image) -> str:
    """The beginning of the names of an image's files."""
    name = re.sub(r"[^\w.-]+", "_", Path(image.name).stem)[:60]
    return f"{name}-{image.id}"


def _write_differences(task: Task, image: Image, review: ImageReview) -> tuple[str, str]:
    content = differences_json(image.id, image.name, review, task.runs)
    digest = hashlib.sha256(content).hexdigest()
    path = f"{DIFFERENCES}/{image.id}-{digest[:8]}.json"
    return path, write_file(task.folder, path, content)
