"""What the pathologist has looked at: only there, and only for these tasks, does what is missing mean background.

Reviewed is what an annotation of class `Reviewed` covers, of any shape; overlapping ones are one area. The tasks stand
in its metadata under `cerberus.reviewed` (`nuclei,gland`), else in those of the image. An image with that key and
without such annotations is reviewed as a whole. Where an image has both, the annotations say where and the image's key
says which tasks, so that naming the tasks never makes a background of what nobody looked at. Annotations of QuPath's
class `Ignore*` are taken out of every area.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import shapely
from shapely.geometry import box
from shapely.geometry.base import BaseGeometry

from cerberus_annotate.feedback.shapes import geometry_array, valid_polygons
from cerberus_annotate.qupath.path_object import PathObject

REVIEWED_CLASS = "Reviewed"
TO_REVIEW_CLASS = "To review"
IGNORE_CLASS = "Ignore*"
REVIEWED_KEY = "cerberus.reviewed"
REVIEWER_KEY = "cerberus.reviewer"
REVIEWED_AT_KEY = "cerberus.reviewed-at"

MARKS = frozenset({REVIEWED_CLASS, TO_REVIEW_CLASS, IGNORE_CLASS, "Region*"})
"""Classes that say where; their annotations are never objects of a task."""

AROUND_EDITS = 3.0
"""µm around an edited object that count as looked at in the mode `edited`."""

Mode = Literal["marked", "edited", "all"]
MODES: tuple[Mode, ...] = ("marked", "edited", "all")


@dataclass(frozen=True)
class Reviewed:
    """areas: task → valid polygonal geometry in level-0 px, never empty. marks: the `Reviewed` annotations in them.
    notes: sentences on what was odd.
    """

    areas: Mapping[str, BaseGeometry]
    marks: tuple[PathObject, ...] = ()
    notes: tuple[str, ...] = ()


def is_mark(obj: PathObject) -> bool:
    """Whether an object says where to look or what was looked at, and is no object of a task."""
    return obj.path_class is not None and obj.path_class.base in MARKS


def has_marks(objects: Sequence[PathObject], metadata: Mapping[str, str]) -> bool:
    """Whether anything in an image, or its metadata, says that it was looked at."""
    return REVIEWED_KEY in metadata or any(_marked(obj, REVIEWED_CLASS) for obj in objects)


def reviewed_areas(
    name: str,
    objects: Sequence[PathObject],
    metadata: Mapping[str, str],
    size: tuple[int, int],
    known: Collection[str],
    default: Collection[str],
    mode: Mode = "marked",
    chosen: Collection[str] = (),
    edited: Iterable[BaseGeometry] = (),
    mpp: tuple[float, float] = (0.5, 0.5),
) -> Reviewed:
    """Where an image was reviewed, for each task.

    name: of the image, for sentences. metadata: of the image. size: (width, height) in level-0 px. known: all tasks
    there are. default: tasks of an area whose tasks nobody named. mode: `marked`, or `edited` (what lies within
    3 µm of an object that was changed, before or after), or `all` (the whole image). chosen: tasks to keep, empty for
    all; they also are the tasks of an area that names none. edited: outlines of changed objects. mpp: of level 0.
    """
    notes: list[str] = []
    image_tasks = _tasks(metadata.get(REVIEWED_KEY), known, f"image '{name}'", notes)
    whole = box(0, 0, *size)
    marks = tuple(obj for obj in objects if _marked(obj, REVIEWED_CLASS))
    fallback = tuple(chosen or default)
    areas: dict[str, list[BaseGeometry]] = {}
    if mode == "marked":
        for mark in marks:
            own = _tasks(mark.metadata.get(REVIEWED_KEY), known, f"a Reviewed annotation of image '{name}'", notes)
            _extend(areas, own or image_tasks or fallback, [mark.roi])
        if not marks and REVIEWED_KEY in metadata:
            _extend(areas, image_tasks or fallback, [whole])
    elif mode == "edited":
        distance = AROUND_EDITS / (mpp[0] * mpp[1]) ** 0.5
        outlines = geometry_array(list(edited))
        around = shapely.buffer(outlines, distance, quad_segs=4).tolist()
        marks = ()
        _extend(areas, image_tasks or fallback, around)
    else:
        marks = ()
        _extend(areas, image_tasks or fallback, [whole])
    without = ignored_area(objects)
    found = {}
    for task in known:
        if task not in areas or (chosen and task not in chosen):
            continue
        area = polygonal(shapely.difference(shapely.intersection(_union(areas[task]), whole), without))
        if not area.is_empty:
            found[task] = area
    if marks and not found:
        notes.append(_nothing_left(name, bool(areas), bool(chosen)))
    return Reviewed(found, marks, tuple(dict.fromkeys(notes)))


def ignored_area(objects: Iterable[PathObject]) -> BaseGeometry:
    """What lies under annotations of QuPath's class `Ignore*`, valid."""
    return _union([obj.roi for obj in objects if _marked(obj, IGNORE_CLASS)])


def polygonal(geometry: BaseGeometry) -> BaseGeometry:
    """The polygons of a geometry as a MultiPolygon; lines and points that an overlay leaves are dropped."""
    parts = shapely.get_parts(shapely.get_parts(geometry))
    return shapely.MultiPolygon([part for part in parts.tolist() if part.geom_type == "Polygon" and part.area > 0])


def _nothing_left(name: str, has_tasks: bool, has_chosen: bool) -> str:
    if not has_tasks:
        return (
            f"Image '{name}' has Reviewed annotations, but nothing says of which tasks: no run was over it and it has "
            "no objects of ours. Name them with --tasks."
        )
    what = "are of other tasks than --tasks names, or lie" if has_chosen else "lie"
    return f"The Reviewed annotations of image '{name}' {what} outside the image or under Ignore*; nothing is left."


def _marked(obj: PathObject, name: str) -> bool:
    return obj.kind == "annotation" and obj.path_class is not None and str(obj.path_class) == name


def _tasks(text: str | None, known: Collection[str], where: str, notes: list[str]) -> tuple[str, ...]:
    """The tasks that a metadata value names; a note for each that nobody knows."""
    named = [part.strip().lower() for part in (text or "").split(",") if part.strip()]
    unknown = [task for task in named if task not in known]
    if unknown:
        notes.append(
            f"The metadata {REVIEWED_KEY} of {where} name {', '.join(unknown)}, which is none of "
            f"{', '.join(known)}; it was passed over."
        )
    return tuple(task for task in named if task in known)


def _extend(areas: dict[str, list[BaseGeometry]], tasks: Iterable[str], found: list[BaseGeometry | None]) -> None:
    for task in tasks:
        areas.setdefault(task, []).extend(area for area in found if area is not None)


def _union(areas: list[BaseGeometry | None]) -> BaseGeometry:
    valid = [area for area in valid_polygons(geometry_array(areas)).tolist() if area is not None]
    return shapely.union_all(valid)
