"""A harvest in formats that other tools read, written from its folder, patch by patch."""

from collections.abc import Callable, Mapping
from pathlib import Path

from cerberus_annotate.harvest.folder import Harvest

FORMATS = ("png", "coco", "geojson", "conic")
"""png: the label maps that every harvest has."""


def write_format(name: str, folder: Path, harvest: Harvest) -> Path:
    """Writes the harvest in `folder` in one more format, and returns where.  Raises ProjectError, UsageError."""
    from cerberus_annotate.harvest.formats.coco import write_coco
    from cerberus_annotate.harvest.formats.conic import write_conic
    from cerberus_annotate.harvest.formats.geojson import write_objects

    writers: Mapping[str, Callable[[Path, Harvest], Path]] = {
        "png": lambda folder, harvest: folder,
        "coco": write_coco,
        "geojson": write_objects,
        "conic": write_conic,
    }
    return writers[name](folder, harvest)
