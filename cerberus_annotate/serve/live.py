"""One region of one image, predicted for the QuPath that shows it."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import UUID

import shapely
from shapely.geometry import box
from shapely.geometry.base import BaseGeometry

from cerberus_annotate.annotate.commit import work_folder
from cerberus_annotate.annotate.one_image import Predict
from cerberus_annotate.annotate.opening import check_type, open_image, pixel_size
from cerberus_annotate.annotate.options import KINDS, Options
from cerberus_annotate.annotate.unread import unread_area
from cerberus_annotate.annotate.written import entries_of, path_objects, prepare_predictions
from cerberus_annotate.errors import ImageRefusedError, UsageError
from cerberus_annotate.feedback.compare import Comparison, compare
from cerberus_annotate.feedback.ledger import Ledger, LedgerError, ledger_path, read_ledger
from cerberus_annotate.feedback.live_ledger import keep_answer, with_answers
from cerberus_annotate.feedback.provenance import our_ids
from cerberus_annotate.feedback.rerun import decide
from cerberus_annotate.feedback.reviewed import polygonal
from cerberus_annotate.feedback.runs import now
from cerberus_annotate.feedback.shapes import geometry_array, valid_polygons
from cerberus_annotate.garbage import no_collection
from cerberus_annotate.qupath import Image, PathObject, Project

LARGEST_AREA = 25.0
"""mm² of the rectangle around the regions of one question."""

AROUND = 128.0
"""µm around the regions that the network looks at too, so that a gland at their border is seen whole."""


@dataclass(frozen=True)
class Question:
    """image: entryID. regions: UUIDs of those of `objects` to predict in. objects: all that QuPath shows there, saved
    or not. tasks: empty for all of the model.
    """

    image: str
    regions: tuple[UUID, ...]
    objects: Sequence[PathObject]
    tasks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Answer:
    """add: objects to put in, parents first. remove: objects of ours to take out. dropped: predictions left out because
    the pathologist decided there. parents: UUID of an object to add → of the object that it stands under.
    """

    image: str
    add: tuple[PathObject, ...]
    remove: tuple[UUID, ...]
    dropped: int
    parents: Mapping[UUID, UUID]
    seconds: float


def answer(
    project: Project, question: Question, options: Options, tasks: tuple[str, ...], predict: Predict, run_id: str
) -> Answer:
    """Predicts in the regions and decides what QuPath is to change, by the rules of a run (`feedback/rerun.py`).

    tasks: those of the service, of which the question names some or none. Nothing of the image's own files is written;
    the answer is kept until the image is saved. Raises UsageError for a question that cannot be answered, and as
    `annotate_image`.
    """
    started = time.monotonic()
    image = find_image(project, question.image)
    wanted = replace(options, tasks=question.tasks).chosen_tasks(tasks)
    check_type(image.name, image.image_type, options.any_stain)
    with open_image(project, image, options) as slide:
        size = (slide.width, slide.height)
        mpp, _ = pixel_size(image, slide, options.mpp)
        regions = _regions(question, image.name)
        area = _area(regions, image.name, size, mpp)
        around = shapely.buffer(shapely.box(*area.bounds), AROUND / min(mpp), join_style="mitre")
        source = predict(slide, mpp, tasks=wanted, areas=around, progress=lambda *_: None)
    found = [each for piece in source.chunks() for each in piece]
    predictions = prepare_predictions(found, size, area, options.classes, options.min_confidence)
    compared = _compare(work_folder(project), image, question.objects, area)
    kinds = {"nuclei": KINDS[options.nuclei_as or "annotations"]}
    bases = {task: options.classes.bases(task) for task in wanted}
    decision = decide(compared, predictions, wanted, bases, area, kinds, unread_area(source.left_out))
    named = {found.path_class for found in found}
    classes = {str(one): one for one in map(options.classes.path_class, sorted(named))}
    added = path_objects(decision.add, run_id, classes, kinds, mpp, decision.stands_for, regions)
    entries = entries_of(added, {prediction.uuid: prediction.task for prediction in decision.add})
    removed = [entry for entry, _ in decision.remove]
    if entries or removed:
        keep_answer(work_folder(project), image.id, run_id, now(), entries, removed)
    return Answer(
        image.name,
        tuple(added),
        tuple(obj.uuid for _, obj in decision.remove),
        len(decision.dropped),
        {obj.uuid: obj.parent for obj in added if obj.parent is not None},
        round(time.monotonic() - started, 2),
    )


def find_image(project: Project, image_id: str) -> Image:
    """The image with that entryID.  Raises UsageError when the project has none."""
    for image in project.images:
        if image.id == image_id:
            return image
    raise UsageError(f"The project {project.path} has no image with the entryID {image_id!r}.")


def _regions(question: Question, name: str) -> list[PathObject]:
    by_uuid = {obj.uuid: obj for obj in question.objects}
    regions = [by_uuid[uuid] for uuid in question.regions if uuid in by_uuid]
    if not regions or len(regions) < len(question.regions):
        raise UsageError(f"The question for image '{name}' names no region, or one that it does not send along.")
    return regions


def _area(regions: Sequence[PathObject], name: str, size: tuple[int, int], mpp: tuple[float, float]) -> BaseGeometry:
    """What the regions cover inside the image, level-0 px.  Raises ImageRefusedError for nothing, or far too much."""
    shapes = valid_polygons(geometry_array([obj.roi for obj in regions])).tolist()
    # WKB and GeoJSON can both hold coordinates that are no numbers
    sound = [one for one in shapes if one is not None and all(map(_is_place, one.bounds))]
    area = polygonal(shapely.intersection(shapely.union_all(sound), box(0, 0, *size)))
    if area.is_empty:
        raise ImageRefusedError(
            f"The selected regions have no area inside image '{name}', which is {size[0]} x {size[1]} px."
        )
    left, top, right, bottom = area.bounds
    covered = (right - left) * mpp[0] * (bottom - top) * mpp[1] / 1e6
    if covered > LARGEST_AREA:
        raise ImageRefusedError(
            f"The selected regions of image '{name}' span {covered:,.0f} mm²; the live service takes up to "
            f"{LARGEST_AREA:g} mm² at once. For more, use annotate_image.groovy or `cerberus-annotate annotate`."
        )
    return area


def _is_place(value: float) -> bool:
    return abs(value) < 1e9  # false for NaN too


@no_collection()
def _compare(folder: Path, image: Image, objects: Sequence[PathObject], area: BaseGeometry) -> Comparison:
    """What became of our objects around `area`, the only ones that the question tells of."""
    try:
        ledger = read_ledger(ledger_path(folder, image.id))
    except LedgerError:
        ledger = Ledger()
    ledger = with_answers(folder, image.id, ledger, our_ids(objects))
    near = shapely.intersects(box(*area.bounds), geometry_array([entry.polygon for entry in ledger.entries]))
    entries = tuple(entry for entry, is_near in zip(ledger.entries, near.tolist(), strict=True) if is_near)
    return compare(replace(ledger, entries=entries), objects)
