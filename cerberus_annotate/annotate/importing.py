"""Objects of GeoJSON files into an image of the project: all or none, and none twice."""

import contextlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import numpy as np
import shapely

from cerberus_annotate.annotate.commit import commit_image, load_ledger, work_folder
from cerberus_annotate.annotate.opening import open_image
from cerberus_annotate.annotate.options import Options
from cerberus_annotate.feedback.shapes import TOLERANCE, geometry_array, same_shape
from cerberus_annotate.garbage import no_collection
from cerberus_annotate.qupath import Edit, Image, InvalidObjectError, PathClass, PathObject, Project, iterate_geojson
from cerberus_annotate.qupath.object_rules import describe

BATCH = 10_000
"""Objects that are held at once, apart from what the image's data need themselves."""

BORDER = 1.0
"""px that an outline may reach beyond the image; tools differ by half a pixel, and half of that on each side."""


@dataclass
class Imported:
    """What became of the objects of an image's files.

    added: new. unchanged: in the image already, as they are in the file. replaced: were different, and are as in the
    file now. kept: are different in the image and stay so. repeated: came a second time with the same id. cores: TMA
    cores, which only QuPath can add. notes: sentences on what was odd.
    """

    id: str
    name: str
    added: int = 0
    unchanged: int = 0
    replaced: int = 0
    kept: int = 0
    repeated: int = 0
    cores: int = 0
    notes: list[str] = field(default_factory=list)


class _NothingToWriteError(Exception):
    """Ends an edit that has nothing to change, before a backup is made."""


@no_collection()
def import_geojson(project: Project, image: Image, files: Sequence[Path], options: Options, take: bool) -> Imported:
    """Adds the objects of `files` to an image, and the classes that are new to the project's list.

    An object is known by its UUID: one that is in the image as it is in the file stays, one that differs stays too
    unless `take`, which makes it as it is in the file (but never a locked one). Files are read as they are written, so
    that memory is what the image's data need. The data from before are kept for `restore`.
    Raises UsageError for a file that cannot be read, InvalidObjectError for an object that QuPath must not get or that
    lies outside of the image, ProjectError and SlideError; the image is then as it was.
    """
    with project.lock():
        place = _Place(image.name, image_size(project, image, options), _planes(image))
        expected = image.fingerprint()
        objects = image.read_objects()
        ledger, _, notes = load_ledger(work_folder(project), image, objects)
        done = Imported(image.id, image.name, notes=notes)
        known = {obj.uuid.int: obj for obj in objects}
        del objects
        classes: dict[PathClass, None] = {}

        def change(edit: Edit) -> None:
            _import_all(edit, files, known, place, take, done, classes)
            if not done.added and not done.replaced:
                raise _NothingToWriteError

        run_id = f"import-{datetime.now(UTC):%Y%m%d-%H%M%S}"
        with contextlib.suppress(_NothingToWriteError):
            commit_image(project, image, run_id, expected, ledger, change)
        project.add_classes(classes)
    return done


def image_size(project: Project, image: Image, options: Options) -> tuple[int, int]:
    """(width, height) in px as the project says it, else as the slide has it.  Raises SlideError."""
    if image.width is not None and image.height is not None:
        return image.width, image.height
    with open_image(project, image, options) as slide:
        return slide.width, slide.height


@dataclass(frozen=True)
class _Place:
    """Where the objects of an image may lie.  size: (width, height) in px. planes: how many z and t there are."""

    name: str
    size: tuple[int, int]
    planes: tuple[float, float]


def _planes(image: Image) -> tuple[float, float]:
    metadata = image.server.metadata or {}
    depth, times = (metadata.get(key) for key in ("sizeZ", "sizeT"))
    return depth if isinstance(depth, int) else math.inf, times if isinstance(times, int) else math.inf


def _import_all(
    edit: Edit,
    files: Sequence[Path],
    known: Mapping[int, PathObject],
    place: _Place,
    take: bool,
    done: Imported,
    classes: dict[PathClass, None],
) -> None:
    """known: the image's objects by the number of their UUID. done, classes: grow with what is found."""
    seen: set[int] = set()
    cores: set[int] = set()
    for path in files:
        for batch in _batches(iterate_geojson(path)):
            new, twins = [], []
            for item in batch:
                number = item.uuid.int
                if number in seen:
                    done.repeated += 1
                    continue
                seen.add(number)
                if item.path_class is not None:
                    classes.setdefault(item.path_class)
                if number in known:
                    twins.append(item)
                elif item.kind == "tma_core":
                    cores.add(number)
                    done.cores += 1
                else:
                    parent = item.parent.int if item.parent is not None else None
                    lost = parent is not None and parent not in known and (parent not in seen or parent in cores)
                    new.append(replace(item, parent=None) if lost else item)
            changed = _to_take(twins, known, take, done)
            try:
                refuse_outside([*new, *changed], place.name, place.size, place.planes)
                edit.add(new)
                for item in changed:
                    edit.replace(item)
            except InvalidObjectError as error:
                raise InvalidObjectError(
                    f"{error} It stands in {path}; nothing was imported into image '{place.name}'."
                ) from error
            done.added += len(new)
            done.replaced += len(changed)


def _batches(items: Iterator[PathObject]) -> Iterator[list[PathObject]]:
    while batch := list(islice(items, BATCH)):
        yield batch


def _to_take(
    twins: Sequence[PathObject], known: Mapping[int, PathObject], take: bool, done: Imported
) -> list[PathObject]:
    """Those of `twins` that shall replace the object of the same UUID; the others are counted."""
    present = [known[item.uuid.int] for item in twins]
    chosen = []
    for item, now, same in zip(twins, present, same_objects(twins, present), strict=True):
        if same:
            done.unchanged += 1
        elif not take or now.locked:
            done.kept += 1
        else:
            # what GeoJSON does not hold stays
            chosen.append(replace(item, parent=now.parent, class_probability=now.class_probability))
    return chosen


def same_objects(first: Sequence[PathObject], second: Sequence[PathObject]) -> list[bool]:
    """Whether each pair says the same, as far as GeoJSON and QuPath's files keep it.

    Outlines may differ by 0.05 px, measurements by what float32 cannot tell. Neither the colour of a class, which is
    the project's, nor the parent and the probability, which GeoJSON does not hold, count.
    """
    if not first:
        return []
    outlines = _same_geometries([obj.roi for obj in first], [obj.roi for obj in second])
    nuclei = _same_geometries([obj.nucleus for obj in first], [obj.nucleus for obj in second])
    return [
        outline and nucleus and _same_values(one, other)
        for outline, nucleus, one, other in zip(outlines, nuclei, first, second, strict=True)
    ]


def _same_geometries(first: list, second: list) -> list[bool]:
    ones, others = geometry_array(first), geometry_array(second)
    same = same_shape(ones, others) | (shapely.is_missing(ones) & shapely.is_missing(others))
    rest = np.flatnonzero(~same)
    # lines and points
    same[rest] = shapely.equals_exact(ones[rest], others[rest], TOLERANCE)
    alike: list[bool] = same.tolist()
    return alike


def _same_values(one: PathObject, other: PathObject) -> bool:
    return (
        (one.kind, one.plane, one.path_class, one.name, one.locked, one.colour, dict(one.metadata))
        == (other.kind, other.plane, other.path_class, other.name, other.locked, other.colour, dict(other.metadata))
        and one.measurements.keys() == other.measurements.keys()
        and all(_same_number(value, other.measurements[name]) for name, value in one.measurements.items())
    )


def _same_number(one: float, other: float) -> bool:
    """QuPath keeps a detection's measurements as float32."""
    return one == other or math.isclose(one, other, rel_tol=2**-23) or (math.isnan(one) and math.isnan(other))


def refuse_outside(
    objects: Sequence[PathObject], image_name: str, size: tuple[int, int], planes: tuple[float, float]
) -> None:
    """Raises InvalidObjectError for the first object that does not lie in the image.

    size: (width, height) in px. planes: how many z and t there are.
    """
    width, height = size
    bounds = shapely.bounds(geometry_array([obj.roi for obj in objects]))
    # numbers that are not finite are refused for that, by the edit
    outside = (bounds[:, :2] < -BORDER).any(axis=1) | (bounds[:, 2:] > np.add(size, BORDER)).any(axis=1)
    for place in np.flatnonzero(outside)[:1].tolist():
        left, top, right, bottom = (f"{value:.6g}" for value in bounds[place].tolist())
        raise InvalidObjectError(
            f"{describe(objects[place])} reaches from ({left}, {top}) to ({right}, {bottom}), outside of image "
            f"'{image_name}', which has {width} x {height} px. Is it of another image, or are its coordinates those of "
            "a smaller level, of a crop, or in µm? QuPath counts pixels of the full-size image."
        )
    for obj in objects:
        _, z, t = obj.plane
        if z >= planes[0] or t >= planes[1]:
            raise InvalidObjectError(
                f"{describe(obj)} lies on plane z = {z}, t = {t}, which image '{image_name}' does not have."
            )
