"""One image of a run: open, predict, decide, commit."""

import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from cerberus_annotate.annotate.backups import fingerprint_of
from cerberus_annotate.annotate.commit import commit_image, load_ledger, work_folder
from cerberus_annotate.annotate.geojson_files import file_stems
from cerberus_annotate.annotate.opening import check_type, open_image, pixel_size
from cerberus_annotate.annotate.options import KINDS, MANY_NUCLEI, Options
from cerberus_annotate.annotate.regions import Regions, find_regions
from cerberus_annotate.annotate.written import entries_of, outline_objects, path_objects, prepare_predictions
from cerberus_annotate.errors import ProjectError
from cerberus_annotate.feedback.compare import Comparison
from cerberus_annotate.feedback.ledger import Ledger, commit_changes, ledger_path, write_ledger
from cerberus_annotate.feedback.rerun import Decision, decide, without_predicted_again
from cerberus_annotate.feedback.runs import ImageRecord, now
from cerberus_annotate.garbage import no_collection
from cerberus_annotate.objects.predicted import PredictedObject
from cerberus_annotate.qupath import Edit, Image, PathClass, PathObject, Project, write_geojson
from cerberus_annotate.slide.slide import Slide

logger = logging.getLogger(__name__)


class Predict(Protocol):
    """Finds the objects of one slide, in level-0 px.

    mpp: (x, y) of level 0. areas: shapely geometry in level-0 px that tiles must touch, None for the whole image.
    progress: called with (tiles done, tiles in all, objects so far).
    """

    def __call__(
        self,
        slide: Slide,
        mpp: tuple[float, float],
        *,
        tasks: tuple[str, ...],
        areas: Any,
        progress: Callable[[int, int, int], None],
    ) -> list[PredictedObject]: ...


def annotate_image(
    project: Project,
    image: Image,
    tasks: tuple[str, ...],
    options: Options,
    run_id: str,
    predict: Predict,
    progress: Callable[[int, int, int], None],
) -> ImageRecord:
    """Pre-labels one image.  Raises CerberusError, OSError or MemoryError; the image is then as it was."""
    started = time.monotonic()
    check_type(image.name, image.image_type, options.any_stain)
    with open_image(project, image, options) as slide:
        size = (slide.width, slide.height)
        mpp, source = pixel_size(image, slide, options.mpp)
        state = _read_state(project, image)
        if options.mpp is not None and source != "--mpp" and options.mpp != mpp:
            state.notes.append(
                f"--mpp was not used for image '{image.name}': its {source} says {mpp[0]:.4g} x {mpp[1]:.4g} µm/px."
            )
        tissue = _once(lambda: _tissue(slide, mpp))
        regions = find_regions(options.regions, image.name, size, state.objects, tissue)
        logger.info(
            "image %s: %s, %d x %d px of %.4g x %.4g µm (%s), %s",
            image.name,
            slide.path,
            *size,
            *mpp,
            source,
            regions.said,
        )
        found = predict(slide, mpp, tasks=tasks, areas=regions.area, progress=progress)
        predictions = prepare_predictions(found, size, regions.area, options.classes, options.min_confidence)
        if options.write_tissue:
            outlines = outline_objects(tissue())
            predictions += prepare_predictions(outlines, size, None, options.classes, 0)
            tasks = (*tasks, "outline")
    classes = _classes_used(found, options)
    record = _write(project, image, tasks, options, run_id, state, predictions, classes, regions, mpp)
    return replace(record, seconds=round(time.monotonic() - started, 2))


@dataclass(frozen=True)
class _State:
    """What an image holds when the run comes to it.  expected: its fingerprint. notes: grows as things are noticed."""

    expected: str
    objects: list[PathObject]
    ledger: Ledger
    compared: Comparison
    notes: list[str]


@no_collection()
def _read_state(project: Project, image: Image) -> _State:
    expected = image.fingerprint()
    objects = image.read_objects()
    ledger, compared, notes = load_ledger(work_folder(project), image, objects)
    return _State(expected, objects, ledger, compared, notes)


@no_collection()
def _write(
    project: Project,
    image: Image,
    tasks: tuple[str, ...],
    options: Options,
    run_id: str,
    state: _State,
    predictions: list[PredictedObject],
    classes: Mapping[str, PathClass],
    regions: Regions,
    mpp: tuple[float, float],
) -> ImageRecord:
    """Decides what the predictions change and commits it."""
    compared = state.compared
    kinds = _kinds(predictions, options, image.name, state.notes)
    bases = {task: options.classes.bases(task) for task in tasks}
    decision = decide(compared, predictions, tasks, bases, regions.area, kinds)
    added = path_objects(decision.add, run_id, classes, kinds, mpp, decision.stands_for, regions.parents)
    ledger = commit_changes(
        state.ledger,
        run_id,
        "annotate",
        now(),
        entries_of(added, {prediction.uuid: prediction.task for prediction in decision.add}),
        {entry.uuid for entry, _ in decision.remove},
        {entry.uuid for entry in compared.deleted},
        compared.present,
    )
    ledger = without_predicted_again(ledger, tasks, regions.area)
    if added or decision.remove:
        project.add_classes(dict.fromkeys(obj.path_class for obj in added if obj.path_class is not None))
        data = commit_image(project, image, run_id, state.expected, ledger, lambda edit: _change(edit, decision, added))
    else:
        write_ledger(ledger_path(work_folder(project), image.id), ledger)
        data = fingerprint_of(image.data_path)
    gone = {obj.uuid for _, obj in decision.remove}
    of_tasks = (obj for entry, obj in (*compared.untouched, *compared.edited) if entry.task in tasks)
    standing = [*(obj for obj in of_tasks if obj.uuid not in gone), *added]
    if options.geojson_dir is not None:
        _write_geojson(standing, options.geojson_dir, image, project)
    return ImageRecord(
        name=image.name,
        status="done",
        objects=dict(sorted(Counter(str(obj.path_class or "Unclassified") for obj in standing).items())),
        added=len(added),
        removed=len(decision.remove),
        kept=len(compared.edited),
        data=data,
        notes=tuple(state.notes),
    )


def _once(find: Callable[[], Any]) -> Callable[[], Any]:
    """`find` that is called at most once."""
    found: list[Any] = []

    def get() -> Any:
        if not found:
            found.append(find())
        return found[0]

    return get


def _tissue(slide: Slide, mpp: tuple[float, float]) -> Any:
    from cerberus_annotate.slide.tissue import tissue_polygons

    return tissue_polygons(slide, mpp)


def _kinds(predictions: Sequence[PredictedObject], options: Options, name: str, notes: list[str]) -> dict[str, str]:
    """Kind of the nuclei; a note when their number decided it."""
    if options.nuclei_as is not None:
        return {"nuclei": KINDS[options.nuclei_as]}
    count = sum(found.task == "nuclei" for found in predictions)
    if count <= MANY_NUCLEI:
        return {"nuclei": "annotation"}
    notes.append(
        f"Image '{name}' has {count:,} nuclei; more than {MANY_NUCLEI:,} annotations make QuPath slow, so they are "
        "detections, which QuPath does not let you reshape. --nuclei-as annotations writes annotations all the same."
    )
    return {"nuclei": "detection"}


def _classes_used(found: Sequence[PredictedObject], options: Options) -> dict[str, PathClass]:
    """Text of the class to write → the class with its colour."""
    texts = {prediction.path_class for prediction in found} | {"Tissue"}
    classes = [options.classes.path_class(text) for text in sorted(texts)]
    return {str(path_class): path_class for path_class in classes}


def _change(edit: Edit, decision: Decision, added: Sequence[PathObject]) -> None:
    for _, obj in decision.remove:
        edit.remove(obj.uuid)
    edit.add(added)


def _write_geojson(objects: Sequence[PathObject], folder: Path, image: Image, project: Project) -> None:
    """One file an image, called as `export` calls it."""
    try:
        write_geojson(objects, folder / f"{file_stems(project.images)[image.id]}.geojson")
    except ProjectError as error:
        raise ProjectError(f"{error} The objects themselves are in the project.") from error
