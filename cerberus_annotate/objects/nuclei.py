"""Nuclei of one tile as a table, and one table of all tiles without doubles.

Every tile is segmented with a halo around its kept rectangle, so that a nucleus on the border is seen whole by both
tiles. It belongs to the tile whose kept rectangle holds its centroid. The maps of two tiles differ a little, so a
centroid near the border may be in both rectangles or in none: tiles keep what lies within `BORDER_SLACK` of their
border too, and `drop_doubles` takes one of each pair of twins out again.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import cv2
import numpy as np
import shapely
from numpy.typing import NDArray

from cerberus_annotate.objects.class_names import class_name
from cerberus_annotate.objects.instances import (
    NucleusSettings,
    Probability,
    nucleus_instances,
    rimmed_nucleus_pixels,
)
from cerberus_annotate.objects.labelled_pixels import LabelledPixels, pixels_of_map, runs_of_pixels
from cerberus_annotate.objects.majority import majority_type, type_counts
from cerberus_annotate.objects.polygons import Polygons, moved_polygons, trace_runs
from cerberus_annotate.objects.predicted import PredictedObject
from cerberus_annotate.objects.simplify import DEFAULT_TOLERANCE, simplify_polygons

BORDER_SLACK = 2.0
SAME_NUCLEUS = 0.3
REFERENCE_SETTINGS = NucleusSettings()

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Nuclei:
    """A table of n nuclei; entry i of every array is nucleus i. Pixels are the network's, origin at the image's.

    `polygons` (n,) simplified outlines; `centroid` float64 (n, 2), x and y; `area` float64 (n,), pixels before
    simplification; `confidence` float64 (n,), mean of inside + contour probability within, 0 to 1; `type_index`
    int64 (n,), 0 without a type; `near_border` bool (n,), whether another tile may hold the same nucleus.
    """

    polygons: Polygons
    centroid: NDArray[np.float64]
    area: NDArray[np.float64]
    confidence: NDArray[np.float64]
    type_index: NDArray[np.int64]
    near_border: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.polygons)

    def where(self, chosen: NDArray[Any]) -> "Nuclei":
        """The rows that a mask (n,) or indices choose."""
        return Nuclei(*(getattr(self, column.name)[chosen] for column in fields(self)))


def nuclei_in_tile(
    inside: Probability,
    contour: Probability,
    types: NDArray[np.uint8] | None = None,
    *,
    settings: NucleusSettings = REFERENCE_SETTINGS,
    origin: tuple[int, int] = (0, 0),
    kept: Box | None = None,
    image_size: tuple[int, int] | None = None,
    tolerance: float = DEFAULT_TOLERANCE,
) -> Nuclei:
    """The nuclei that one tile owns.

    `inside` and `contour` are probabilities, float32 (H, W), or the same as bytes, uint8 from 0 to 255, on pixels
    `settings.finer` times finer than the network's, over the kept rectangle and a halo (32 µm serve well); `types` the
    type head's argmax on the network's pixels.
    `origin` is the place (x, y) of their first pixel in the image's grid at the network's mpp; `kept` =
    (left, top, right, bottom) the tile's own rectangle in that grid, by default all of it. What lies outside the image
    of `image_size` = (width, height), where pixels are mirrored, is left out. `tolerance` is in pixels of the maps.
    """
    finer = settings.finer
    left, top = origin
    if image_size is not None:
        rows = slice(max(0, -top), max(0, image_size[1] - top))
        columns = slice(max(0, -left), max(0, image_size[0] - left))
        types = None if types is None else types[rows, columns]
        fine = (slice(rows.start * finer, rows.stop * finer), slice(columns.start * finer, columns.stop * finer))
        inside, contour = inside[fine], contour[fine]
        left, top = left + columns.start, top + rows.start
    height, width = inside.shape
    box = kept or (left, top, left + width / finer, top + height / finer)
    pixels = _cut_out(inside, contour, settings)
    label = pixels.label
    count = int(label.max(initial=0)) + 1
    runs = runs_of_pixels(pixels)
    length = runs.stop - runs.start
    area = np.bincount(runs.label, length, minlength=count)
    area[area == 0] = 1
    x = np.bincount(runs.label, length * (runs.start + runs.stop) / 2, minlength=count) / area / finer + left
    y = np.bincount(runs.label, length * (runs.row + 0.5), minlength=count) / area / finer + top
    centroid = np.round(np.column_stack((x, y)), 2).astype(np.float64, copy=False)
    probability = _probability_at(inside, pixels.cell) + _probability_at(contour, pixels.cell)
    confidence = np.minimum(np.bincount(label, probability, minlength=count) / area, 1.0)
    if types is None or len(label) == 0:
        type_index = np.zeros(count, np.int64)
    else:
        fine_types = cv2.resize(types, (width, height), interpolation=cv2.INTER_NEAREST) if finer > 1 else types
        type_index = majority_type(type_counts(label, fine_types.ravel()[pixels.cell], count))
    owned = _within(centroid, box, BORDER_SLACK) & (confidence >= settings.sure)
    ids, traced = trace_runs(runs.where(owned[runs.label]))
    bounds = shapely.bounds(traced).reshape(-1, 4) / finer + (left, top, left, top)
    return Nuclei(
        polygons=_in_grid(simplify_polygons(traced, tolerance), finer, left, top),
        centroid=centroid[ids],
        area=shapely.area(traced) / finer**2,
        confidence=confidence[ids],
        type_index=type_index[ids],
        near_border=~(_within(bounds[:, :2], box, -BORDER_SLACK) & _within(bounds[:, 2:], box, -BORDER_SLACK)),
    )


def _cut_out(inside: Probability, contour: Probability, settings: NucleusSettings) -> LabelledPixels:
    if inside.size == 0:
        return pixels_of_map(np.zeros(inside.shape, np.int32))
    if settings.inner_contour:
        return rimmed_nucleus_pixels(inside, contour, settings.threshold, settings.marker, settings.finer)
    return pixels_of_map(nucleus_instances(inside, contour))


def _probability_at(probability: Probability, cell: NDArray[np.intp]) -> NDArray[np.float32]:
    """The probability, float32 (n,), at indices into the flattened map."""
    values: NDArray[Any] = probability.ravel()[cell]
    if values.dtype == np.uint8:
        return (np.arange(256, dtype=np.float32) / np.float32(255))[values]
    return values


def _in_grid(polygons: Polygons, finer: int, left: int, top: int) -> Polygons:
    """Polygons of a map's pixels in those of the image's grid."""
    if finer == 1:
        return moved_polygons(polygons, left, top)
    return shapely.transform(polygons, lambda xy: xy / finer + (left, top))


def join_nuclei(tables: Sequence[Nuclei]) -> Nuclei:
    """All tiles' nuclei as one table, without doubles, in the order of the tables."""
    if not tables:
        none = np.zeros(0)
        return Nuclei(none.astype(object), np.zeros((0, 2)), none, none, none.astype(np.int64), none.astype(bool))
    together = Nuclei(*(np.concatenate([getattr(table, column.name) for table in tables]) for column in fields(Nuclei)))
    return together.where(drop_doubles(together))


def drop_doubles(nuclei: Nuclei) -> NDArray[np.bool_]:
    """Which nuclei to keep, bool (n,): of two that share more than 0.3 of the smaller one's area, the larger stays,
    then the one further left, then further up. Only pairs with one near a tile's border are looked at."""
    polygons = nuclei.polygons
    kept = np.ones(len(polygons), bool)
    near = np.flatnonzero(nuclei.near_border)
    if len(near) == 0:
        return kept
    one, other = shapely.STRtree(polygons[near]).query(polygons, predicate="intersects")
    other = near[other]
    one, other = one[one != other], other[one != other]
    shared = shapely.area(shapely.intersection(polygons[one], polygons[other]))
    area = shapely.area(polygons)
    same = shared > SAME_NUCLEUS * np.minimum(area[one], area[other])
    rivals: dict[int, list[int]] = {}
    for first, second in zip(one[same].tolist(), other[same].tolist(), strict=True):
        rivals.setdefault(first, []).append(second)
        rivals.setdefault(second, []).append(first)
    rank = np.lexsort((nuclei.centroid[:, 1], nuclei.centroid[:, 0], -nuclei.area))
    for index in rank[np.isin(rank, list(rivals))].tolist():
        if kept[index]:
            kept[rivals[index]] = False
    return kept


def nucleus_objects(nuclei: Nuclei, type_names: Sequence[str]) -> list[PredictedObject]:
    """The table as predicted objects, in the same order and pixels; `type_names` are those of the type head."""
    return [
        PredictedObject("nuclei", class_name("nuclei", type_index, type_names), polygon, confidence)
        for polygon, confidence, type_index in zip(
            nuclei.polygons, nuclei.confidence.tolist(), nuclei.type_index.tolist(), strict=True
        )
    ]


def _within(points: NDArray[np.float64], box: Box, slack: float) -> NDArray[np.bool_]:
    left, top, right, bottom = box
    x, y = points[:, 0], points[:, 1]
    return (left - slack <= x) & (x < right + slack) & (top - slack <= y) & (y < bottom + slack)
