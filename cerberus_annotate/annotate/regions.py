"""Where in an image to predict."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import shapely
from shapely.geometry import box
from shapely.geometry.base import BaseGeometry

from cerberus_annotate.errors import ImageRefusedError, UsageError
from cerberus_annotate.qupath import PathObject, read_geojson

REGION_CLASS = "Region*"  # QuPath's own class; the asterisk is part of its name
MODES = ("auto", "tissue", "whole")


@dataclass(frozen=True)
class Regions:
    """area: valid polygons in level-0 px inside the image, None for the whole image. said: what they are, for people.
    parents: the region annotations that new objects stand under.
    """

    area: BaseGeometry | None
    said: str
    parents: tuple[PathObject, ...] = ()


def check_regions(text: str) -> None:
    """Raises UsageError when `text` is no way to name regions, or its file cannot be read."""
    if text in MODES or (text.startswith("class:") and text != "class:"):
        return
    if Path(text).suffix.lower() in (".geojson", ".json"):
        read_geojson_area(Path(text))
        return
    raise UsageError(f"'{text}' names no regions. Use auto, tissue, whole, class:NAME or the path of a .geojson file.")


def find_regions(
    text: str,
    name: str,
    size: tuple[int, int],
    objects: Sequence[PathObject],
    tissue: Callable[[], BaseGeometry],
) -> Regions:
    """The regions of one image.

    text: as `Options.regions`. name: of the image, for sentences. size: (width, height) in level-0 px.
    tissue: finds the tissue when it is needed.  Raises ImageRefusedError when nothing is left to predict in.
    """
    if text == "whole":
        return Regions(None, "the whole image")
    if text == "auto":
        marked = _of_class(objects, REGION_CLASS)
        text = f"class:{REGION_CLASS}" if marked else "tissue"
    if text == "tissue":
        area = _inside_image(tissue(), size)
        if area.is_empty:
            raise ImageRefusedError(
                f"No tissue was found in image '{name}'. Draw annotations of class {REGION_CLASS} where to look, "
                "or use --regions whole."
            )
        return Regions(area, "the tissue")
    if text.startswith("class:"):
        wanted = text.removeprefix("class:")
        parents = _of_class(objects, wanted)
        if not parents:
            raise ImageRefusedError(
                f"Image '{name}' has no area annotation of class '{wanted}'. Draw one in QuPath, or use --regions auto."
            )
        area = _inside_image(shapely.union_all([_valid(obj.roi) for obj in parents]), size)
        said = f"{len(parents)} annotation{'s' * (len(parents) != 1)} of class {wanted}"
    else:
        parents = []
        area = _inside_image(read_geojson_area(Path(text)), size)
        said = f"the areas of {Path(text).name}"
    if area.is_empty:
        raise ImageRefusedError(
            f"The regions of image '{name}' ({said}) lie outside the image, which is {size[0]} x {size[1]} px."
        )
    return Regions(area, said, tuple(parents))


def read_geojson_area(path: Path) -> BaseGeometry:
    """The union of all areas in a GeoJSON file, in level-0 px.  Raises UsageError."""
    areas = [_valid(obj.roi) for obj in read_geojson(path) if obj.roi is not None]
    area = shapely.union_all([area for area in areas if area.area > 0])
    if area.is_empty:
        raise UsageError(f"The regions file {path} holds no area (Polygon or MultiPolygon).")
    return area


def smallest_parent(polygons: Sequence[BaseGeometry], parents: Sequence[PathObject]) -> list[PathObject | None]:
    """For each polygon the smallest of `parents` that its representative point lies in, or None."""
    found: list[PathObject | None] = [None] * len(polygons)
    if not parents or not polygons:
        return found
    points = shapely.point_on_surface(np.array(polygons, object))
    # large ones first, so that the smallest is written last
    for parent in sorted(parents, key=lambda obj: -obj.roi.area if obj.roi is not None else 0.0):
        area = _valid(parent.roi)
        shapely.prepare(area)
        for at in np.flatnonzero(shapely.covers(area, points)).tolist():
            found[at] = parent
    return found


def _of_class(objects: Sequence[PathObject], name: str) -> list[PathObject]:
    return [
        obj
        for obj in objects
        if obj.kind == "annotation" and str(obj.path_class) == name and obj.roi is not None and obj.roi.area > 0
    ]


def _inside_image(area: BaseGeometry, size: tuple[int, int]) -> BaseGeometry:
    """`area` within the image, polygons only."""
    clipped = shapely.intersection(area, box(0, 0, *size))
    parts = [part for part in shapely.get_parts(clipped) if part.geom_type == "Polygon" and part.area > 0]
    return shapely.MultiPolygon(parts)


def _valid(area: BaseGeometry | None) -> BaseGeometry:
    if area is None:
        return shapely.MultiPolygon()
    return area if area.is_valid else shapely.make_valid(area)
