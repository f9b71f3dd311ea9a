"""From predictions to the objects that are written: outlines on QuPath's grid, parents, provenance."""

import uuid as uuid_module
from collections.abc import Collection, Mapping, Sequence
from typing import get_args

import numpy as np
import shapely
from shapely.geometry import box
from shapely.geometry.base import BaseGeometry

from cerberus_annotate.annotate.classes import ClassTable
from cerberus_annotate.annotate.regions import smallest_parent
from cerberus_annotate.feedback.ledger import Entry
from cerberus_annotate.feedback.provenance import ID_KEY, RUN_KEY
from cerberus_annotate.garbage import no_collection
from cerberus_annotate.objects.level0 import AREA, at_level0
from cerberus_annotate.objects.polygons import largest_polygon
from cerberus_annotate.objects.predicted import PredictedObject
from cerberus_annotate.qupath import PathClass, PathObject
from cerberus_annotate.qupath.path_object import Kind


@no_collection()
def prepare_predictions(
    predictions: Sequence[PredictedObject],
    size: tuple[int, int],
    within: BaseGeometry | None,
    classes: ClassTable,
    min_confidence: float,
) -> list[PredictedObject]:
    """The predictions as they can be written.

    Kept are those with at least `min_confidence` whose representative point lies in `within`; outlines are cut at
    the image's border and rounded to 0.01 px and float32, the numbers that QuPath keeps; classes are the lab's.
    """
    sure = [found for found in predictions if found.confidence >= min_confidence]
    if not sure:
        return []
    outlines = _on_grid(np.array([found.polygon for found in sure], object), size)
    usable = ~shapely.is_missing(outlines)
    if within is not None:
        shapely.prepare(within)
        usable[usable] = shapely.covers(within, shapely.point_on_surface(outlines[usable]))
    texts = {text: str(classes.path_class(text)) for text in {found.path_class for found in sure}}
    # not by `replace`, which takes twice as long
    return [
        PredictedObject(
            found.task,
            texts[found.path_class],
            outline,
            found.confidence,
            found.uuid,
            found.parent,
            found.measurements,
        )
        for found, outline, kept in zip(sure, outlines.tolist(), usable.tolist(), strict=True)
        if kept
    ]


def _on_grid(outlines: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Valid polygons inside the image with coordinates as QuPath keeps them; None where nothing is left."""
    bounds = shapely.bounds(outlines)
    outside = (bounds[:, :2] < 0).any(axis=1) | (bounds[:, 2:] > size).any(axis=1)
    outlines = outlines.copy()
    for at in np.flatnonzero(outside):
        outlines[at] = largest_polygon(shapely.intersection(outlines[at], box(0, 0, *size)))
    placed = at_level0(outlines)
    placed[shapely.is_empty(placed)] = None
    return placed


def path_objects(
    added: Sequence[PredictedObject],
    run_id: str,
    classes: Mapping[str, PathClass],
    kinds: Mapping[str, str],
    mpp: tuple[float, float],
    stands_for: Mapping[uuid_module.UUID, uuid_module.UUID],
    regions: Sequence[PathObject],
    before: Collection[uuid_module.UUID] = (),
) -> list[PathObject]:
    """The objects to add, parents before their children.

    classes: class text → class with colour. kinds: task → kind. stands_for: as `Decision.stands_for`.
    regions: the region annotations that objects without a gland stand under. before: ids of predictions that were
    given earlier, which these may stand under.
    """
    ordered = sorted(added, key=lambda found: found.task == "lumen")
    own = {found.uuid for found in ordered}
    region_of = smallest_parent([found.polygon for found in ordered], regions)
    micron = mpp[0] * mpp[1]
    outlines = np.array([found.polygon for found in ordered], object)
    areas = shapely.area(outlines) * micron
    assert set(kinds.values()) <= set(get_args(Kind))
    objects = []
    for found, region, area, roi_kind in zip(ordered, region_of, areas.tolist(), _roi_kinds(outlines), strict=True):
        parent = found.parent
        if parent is not None and parent not in own and parent not in before:
            parent = stands_for.get(parent)
        if parent is None and region is not None:
            parent = region.uuid
        objects.append(
            PathObject(
                roi=found.polygon,
                kind=kinds.get(found.task, "annotation"),  # type: ignore[arg-type]
                roi_kind=roi_kind,
                path_class=classes[found.path_class],
                # of the outline as it is written, which the image's border may have cut
                measurements={**found.measurements, "Confidence": float(found.confidence), AREA: area},
                metadata={RUN_KEY: run_id, ID_KEY: str(found.uuid)},
                parent=parent,
                uuid=found.uuid,
            )
        )
    return objects


def entries_of(objects: Sequence[PathObject], tasks: Mapping[uuid_module.UUID, str], commit: int = 0) -> list[Entry]:
    """The ledger's entries for objects that are written by a commit, whose number `commit_changes` can set too."""
    return [
        Entry(
            uuid=obj.uuid,
            task=tasks[obj.uuid],
            path_class=str(obj.path_class),
            polygon=obj.roi,
            confidence=obj.measurements["Confidence"],
            commit=commit,
            name=obj.name,
            locked=obj.locked,
            parent=obj.parent,
            kind=obj.kind,
            measurements={name: value for name, value in obj.measurements.items() if name != "Confidence"},
        )
        for obj in objects
    ]


def objects_of_entries(
    entries: Sequence[Entry], run_id: str, classes: Mapping[str, PathClass], present: Collection[uuid_module.UUID]
) -> list[PathObject]:
    """The objects that `entries_of` was told of, once more.

    classes: class text → class with colour. present: UUIDs of the image's objects; a parent that is no longer among
    them, nor written now, is the root.
    """
    parents = {*present, *(entry.uuid for entry in entries)}
    roi_kinds = _roi_kinds(np.array([entry.polygon for entry in entries], object))
    return [
        PathObject(
            roi=entry.polygon,
            kind=entry.kind,  # type: ignore[arg-type]
            roi_kind=roi_kind,
            path_class=classes[entry.path_class],
            name=entry.name,
            locked=entry.locked,
            measurements={"Confidence": entry.confidence, **entry.measurements},
            metadata={RUN_KEY: run_id, ID_KEY: str(entry.uuid)},
            parent=entry.parent if entry.parent in parents else None,
            uuid=entry.uuid,
        )
        for entry, roi_kind in zip(entries, roi_kinds, strict=True)
    ]


def _roi_kinds(outlines: np.ndarray) -> list[str]:
    """QuPath's kind of ROI for each polygon."""
    holes = shapely.get_num_interior_rings(outlines)
    return ["Geometry" if count else "Polygon" for count in holes.tolist()]


def outline_objects(area: BaseGeometry) -> list[PredictedObject]:
    """The outline of the tissue as one object a piece."""
    return [
        PredictedObject("outline", "Tissue", part, 1.0)
        for part in shapely.get_parts(area).tolist()
        if part.geom_type == "Polygon"
    ]
