"""What became of an image's predictions, as outlines that QuPath can draw."""

from collections import Counter
from collections.abc import Iterable, Iterator

from shapely.geometry.base import BaseGeometry

from cerberus_annotate.annotate.commit import work_folder
from cerberus_annotate.feedback.difference import Change, Verdict, difference, outline_of
from cerberus_annotate.feedback.overwritten import MARK_KEY
from cerberus_annotate.feedback.runs import read_runs
from cerberus_annotate.feedback.standing_ledger import standing_ledger
from cerberus_annotate.garbage import no_collection
from cerberus_annotate.harvest.types import meaning_of, table_of
from cerberus_annotate.qupath import Image, PathClass, PathObject, Project

COLOURS: dict[Verdict, tuple[int, int, int]] = {
    "deleted": (220, 30, 30),
    "added": (30, 160, 60),
    "reshaped": (40, 100, 230),
    "reclassified": (240, 150, 20),
    "split": (150, 60, 200),
    "merged": (150, 60, 200),
}
PREDICTED, CORRECTED = "predicted", "corrected"


@no_collection()
def image_differences(project: Project, image: Image) -> tuple[list[PathObject], Counter[str], tuple[str, ...]]:
    """Outlines, the number of objects by verdict, and sentences on what was odd.

    An outline is a path object whose class is the verdict and whose name is `predicted` or `corrected`; there is none
    for what was accepted. Everything that is saved counts, whether it was marked as reviewed or not.
    """
    objects = image.read_objects()
    folder = work_folder(project)
    ledger, notes = standing_ledger(folder, image.id, image.name, objects, image.properties.get(MARK_KEY, ""))
    meaning = meaning_of(table_of(run.parameters) for run in read_runs(folder))
    found = difference(ledger, objects, meaning.tasks)
    outlines = [outline for change in found.changes for outline in _outlines(change)]
    return outlines, Counter(change.verdict for change in found.changes), notes


def _outlines(change: Change) -> Iterator[PathObject]:
    if change.verdict == "accepted":
        return
    path_class = PathClass.of(change.verdict, COLOURS[change.verdict])
    yield from _named((entry.polygon for entry in change.predicted), path_class, PREDICTED)
    yield from _named((outline_of(obj) for obj in change.objects), path_class, CORRECTED)


def _named(shapes: Iterable[BaseGeometry | None], path_class: PathClass, name: str) -> Iterator[PathObject]:
    for shape in shapes:
        if shape is not None:
            yield PathObject(roi=shape, roi_kind="Geometry", path_class=path_class, name=name)
