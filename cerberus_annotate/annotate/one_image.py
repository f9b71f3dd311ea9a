"""One image of a run: open, predict, decide, commit."""

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any, Protocol

from cerberus_annotate.annotate.backups import fingerprint_of
from cerberus_annotate.annotate.changes import Changes, Setting, later_objects, write_changes
from cerberus_annotate.annotate.commit import commit_growing, load_ledger, work_folder
from cerberus_annotate.annotate.geojson_files import file_stems
from cerberus_annotate.annotate.opening import check_type, open_image, pixel_size
from cerberus_annotate.annotate.options import KINDS, MANY_NUCLEI, Options
from cerberus_annotate.annotate.predictions import Predictions, predictions_of
from cerberus_annotate.annotate.regions import find_regions
from cerberus_annotate.annotate.unread import unread_area, unread_notes
from cerberus_annotate.annotate.written import outline_objects
from cerberus_annotate.errors import ProjectError
from cerberus_annotate.feedback.compare import Comparison
from cerberus_annotate.feedback.ledger import Ledger, ledger_path, pending_path
from cerberus_annotate.feedback.ledger_file import growing_ledger
from cerberus_annotate.feedback.runs import ImageRecord
from cerberus_annotate.garbage import no_collection
from cerberus_annotate.objects.predicted import ObjectSource
from cerberus_annotate.qupath import Edit, Image, PathObject, Project, write_geojson
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
    ) -> ObjectSource: ...


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
        outlines = outline_objects(tissue()) if options.write_tissue else []
    state.notes.extend(unread_notes(image.name, found.left_out))
    setting = Setting(
        run_id,
        (*tasks, "outline") if options.write_tissue else tasks,
        options.classes,
        mpp,
        regions.area,
        unread_area(found.left_out),
        regions.parents,
        None if options.nuclei_as is None else KINDS[options.nuclei_as],
    )
    predictions = predictions_of(found, outlines, size, regions.area, options.classes, options.min_confidence)
    record = _write(project, image, state, predictions, setting, options.geojson_dir)
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


def _write(
    project: Project, image: Image, state: _State, predictions: Predictions, setting: Setting, geojson_dir: Path | None
) -> ImageRecord:
    """Decides what the predictions change and commits it."""
    folder, compared = work_folder(project), state.compared
    path = ledger_path(folder, image.id)
    with growing_ledger(pending_path(path)) as file:
        changes = write_changes(file, state.ledger, compared, predictions, setting)
        if changes.many:
            state.notes.append(_many_note(image.name, changes.many))
        if changes.commit.added or changes.remove:
            project.add_classes(changes.classes.values())
            data = commit_growing(
                project,
                image,
                state.expected,
                file,
                changes.commit,
                lambda edit: _change(edit, changes, pending_path(path)),
            )
        else:
            file.put(path)
            data = fingerprint_of(image.data_path)
    gone = {obj.uuid for _, obj in changes.remove}
    of_tasks = (obj for entry, obj in (*compared.untouched, *compared.edited) if entry.task in setting.tasks)
    standing = [obj for obj in of_tasks if obj.uuid not in gone]
    if geojson_dir is not None:
        written = _new_objects(path, changes)
        _write_geojson(chain(standing, written), geojson_dir, image, project)
    counts = Counter(str(obj.path_class or "Unclassified") for obj in standing)
    counts.update(changes.counts)
    return ImageRecord(
        name=image.name,
        status="done",
        objects=dict(sorted(counts.items())),
        added=changes.commit.added,
        removed=len(changes.remove),
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


def _many_note(name: str, count: int) -> str:
    return (
        f"Image '{name}' has {count:,} nuclei; more than {MANY_NUCLEI:,} annotations make QuPath slow, so they are "
        "detections, which QuPath does not let you reshape. --nuclei-as annotations writes annotations all the same."
    )


def _change(edit: Edit, changes: Changes, path: Path) -> None:
    """path: of the ledger that has the new nuclei, when the data file is written."""
    for _, obj in changes.remove:
        edit.remove(obj.uuid)
    edit.add(changes.areas)
    for parent, blocks in changes.later.items():
        count = sum(block.entries for block in blocks)
        edit.add_later(parent, count, later_objects(path, blocks, changes.commit.run, changes.classes))


def _new_objects(path: Path, changes: Changes) -> Iterator[PathObject]:
    """path: of the image's ledger."""
    yield from changes.areas
    for blocks in changes.later.values():
        yield from later_objects(path, blocks, changes.commit.run, changes.classes)


def _write_geojson(objects: Iterable[PathObject], folder: Path, image: Image, project: Project) -> None:
    """One file an image, called as `export` calls it."""
    try:
        write_geojson(objects, folder / f"{file_stems(project.images)[image.id]}.geojson")
    except ProjectError as error:
        raise ProjectError(f"{error} The objects themselves are in the project.") from error
