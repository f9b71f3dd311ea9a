"""The reviewed areas of an image as regions: what hangs together and was reviewed for the same tasks."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from cerberus_annotate.feedback.reviewed import REVIEWED_AT_KEY, REVIEWER_KEY, Reviewed
from cerberus_annotate.harvest.types import TASKS
from cerberus_annotate.qupath import PathObject


@dataclass(frozen=True)
class ReviewedRegion:
    """area: valid polygonal geometry in level-0 px. tasks: reviewed there. marks: UUIDs of the annotations that say
    so, none where the image does. reviewer, reviewed_at: as metadata of the annotations or the image say, else "".
    """

    area: BaseGeometry
    tasks: tuple[str, ...]
    marks: tuple[str, ...]
    reviewer: str
    reviewed_at: str


def regions_of(reviewed: Reviewed, metadata: Mapping[str, str], together: float | None = None) -> list[ReviewedRegion]:
    """The regions of an image, from top to bottom. metadata: of the image.

    together: side in px of squares; parts with their middle in one square are one region (for the many small areas
    around edits).
    """
    tasks_of: dict[bytes, list[str]] = defaultdict(list)
    parts: dict[bytes, BaseGeometry] = {}
    for task in TASKS:
        if task not in reviewed.areas:
            continue
        for part in shapely.get_parts(shapely.normalize(reviewed.areas[task])).tolist():
            key = shapely.to_wkb(part)
            parts[key] = part
            tasks_of[key].append(task)
    by_tasks: dict[tuple[str, ...], list[BaseGeometry]] = defaultdict(list)
    for key, part in parts.items():
        by_tasks[tuple(tasks_of[key])].append(part)
    found = []
    for tasks, areas in by_tasks.items():
        for area in areas if together is None else _gathered(areas, together):
            found.append(_region(area, tasks, reviewed.marks, metadata))
    return sorted(found, key=lambda region: (region.area.bounds[1], region.area.bounds[0], region.tasks))


def _gathered(areas: Sequence[BaseGeometry], side: float) -> list[BaseGeometry]:
    squares: dict[tuple[int, int], list[BaseGeometry]] = defaultdict(list)
    for area in areas:
        left, top, right, bottom = area.bounds
        squares[int((left + right) / 2 // side), int((top + bottom) / 2 // side)].append(area)
    return [shapely.MultiPolygon(some) for some in squares.values()]


def _region(
    area: BaseGeometry, tasks: tuple[str, ...], marks: Sequence[PathObject], metadata: Mapping[str, str]
) -> ReviewedRegion:
    shapes = np.array([mark.roi for mark in marks], object)
    own = [mark for mark, touches in zip(marks, shapely.intersects(shapes, area).tolist(), strict=True) if touches]

    def said(key: str) -> str:
        values = [mark.metadata[key] for mark in own if mark.metadata.get(key)] or [metadata.get(key, "")]
        return ", ".join(dict.fromkeys(values))

    return ReviewedRegion(area, tasks, tuple(str(mark.uuid) for mark in own), said(REVIEWER_KEY), said(REVIEWED_AT_KEY))
