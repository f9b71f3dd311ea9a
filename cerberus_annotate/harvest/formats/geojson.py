"""GeoJSON that QuPath imports: the objects of each image as they stand in its reviewed regions, and the regions."""

import json
import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import shapely
from shapely.geometry.base import BaseGeometry

from cerberus_annotate.errors import UsageError
from cerberus_annotate.feedback.reviewed import REVIEWED_CLASS, REVIEWED_KEY
from cerberus_annotate.harvest.folder import Harvest, ImageRecord
from cerberus_annotate.qupath import PathClass, PathObject, write_geojson


def write_objects(folder: Path, harvest: Harvest) -> Path:
    """Writes `geojson/<image>.geojson` for each image, in level-0 px; the metadata of an object say what became of it.

    Raises UsageError where a file of the harvest is gone, ProjectError when the disk refuses.
    """
    target = folder / "geojson"
    for record in harvest.images.values():
        name = re.sub(r'[<>:"/\\|?*\x00-\x1f]', "_", record.name)
        write_geojson(_objects(folder, record), target / f"{name} ({record.id}).geojson")
    return target


def _objects(folder: Path, record: ImageRecord) -> Iterator[PathObject]:
    for region in record.regions:
        metadata = {REVIEWED_KEY: ",".join(region.tasks)}
        yield _object(shapely.from_wkt(region.outline), REVIEWED_CLASS, metadata, uuid.uuid4())
    path = folder / record.differences
    try:
        told = json.loads(path.read_text("utf-8"))["objects"]
    except (OSError, ValueError, KeyError) as error:
        raise UsageError(
            f"{path} cannot be read ({error}). Run the harvest again; it writes what is not there."
        ) from error
    for one in told:
        shapes = _shapes(one["outline"], len(one["objects"]))
        for identifier, shape in zip(one["objects"], shapes, strict=True):
            yield _object(shape, one["class_after"], {"cerberus.verdict": one["verdict"]}, uuid.UUID(identifier))


def _shapes(geometry: Any, count: int) -> list[BaseGeometry]:
    if not count:
        return []
    shape = shapely.from_geojson(json.dumps(geometry))
    return [shape] if count == 1 else shapely.get_parts(shape).tolist()


def _object(shape: BaseGeometry, class_text: str, metadata: dict[str, str], identifier: uuid.UUID) -> PathObject:
    return PathObject(
        roi=shape,
        roi_kind="Polygon" if shape.geom_type == "Polygon" else "Geometry",
        path_class=PathClass.of(class_text) if class_text else None,
        metadata=metadata,
        uuid=identifier,
    )
