"""data.qpdata, read and written by QuPath's own classes.

Not by the project's entry: that turns a file it cannot read into an empty image and tells only its log.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cerberus_annotate.errors import DataFileError
from cerberus_annotate.qupath.native.data_file import release_of, unreadable
from cerberus_annotate.qupath.paquo.installation import WAY_OUT
from cerberus_annotate.qupath.paquo.reading import uuid_of, walk
from cerberus_annotate.qupath.paquo.virtual_machine import java_class, java_errors, java_path, reason, start
from cerberus_annotate.qupath.path_object import PathObject

PATH_IO = "qupath.lib.io.PathIO"
IMAGE_DATA = "qupath.lib.images.ImageData"
IMAGE_TYPE = IMAGE_DATA + ".ImageType"
HIERARCHY = "qupath.lib.objects.hierarchy.PathObjectHierarchy"
#: From here on QuPath opens a data file without opening the slide.
OPENS_WITHOUT_SLIDE = (0, 6)


def release() -> tuple[int, int]:
    """(major, minor) of the QuPath at work."""
    return release_of(start())


def read_hierarchy(image_name: str, path: Path) -> Any:
    """QuPath's hierarchy of a data file; the slide is not opened.  Raises DataFileError."""
    files = java_class("java.io.FileInputStream")
    try:
        # QuPath's loop never ends at the end of a file that was cut off; a closed file after it makes that an error.
        end = files(str(path))
        end.close()
        stream = java_class("java.io.SequenceInputStream")(files(str(path)), end)
        try:
            return java_class(PATH_IO).readHierarchy(stream)
        finally:
            stream.close()
    except java_errors() as error:
        raise unreadable(image_name, path, OSError(reason(error))) from error


def read_image_data(image_name: str, path: Path | None, builder: Any) -> Any:
    """QuPath's ImageData of a data file; one without objects when there is none.  Raises DataFileError."""
    if release() < OPENS_WITHOUT_SLIDE:
        return _read_with_slide(image_name, path, builder)
    if path is None:
        return java_class(IMAGE_DATA)(builder, java_class(HIERARCHY)(), java_class(IMAGE_TYPE).UNSET)
    try:
        return java_class(PATH_IO).readImageData(java_path(path), builder)
    except java_errors() as error:
        raise unreadable(image_name, path, OSError(reason(error))) from error


def _read_with_slide(image_name: str, path: Path | None, builder: Any) -> Any:
    import jpype

    try:
        server = builder.build()
    except java_errors() as error:
        raise DataFileError(
            f"QuPath {start()} cannot write to image '{image_name}' without opening its slide, which fails "
            f"({reason(error)}). Put the slide back, or take QuPath 0.6. {WAY_OUT}"
        ) from error
    image_data = java_class(IMAGE_DATA)
    if path is None:
        return image_data(server, java_class(HIERARCHY)(), java_class(IMAGE_TYPE).UNSET)
    none = jpype.JObject(None, image_data)
    try:
        pixels = java_class("java.awt.image.BufferedImage").class_
        return java_class(PATH_IO).readImageData(java_path(path), none, server, pixels)
    except java_errors() as error:
        raise unreadable(image_name, path, OSError(reason(error))) from error


def write_image_data(image_data: Any, path: Path) -> None:
    """Let QuPath write a data file at `path`.  Raises what Java raises."""
    stream = java_class("java.io.FileOutputStream")(str(path))
    try:
        java_class(PATH_IO).writeImageData(stream, image_data)
        stream.close()
    finally:
        stream.close()


def settle_uuids(hierarchy: Any, others: Callable[[], list[PathObject]], description: str) -> list[Any]:
    """QuPath's objects in the order of the file, each with a UUID of its own that is the same at every reading.

    Where the file has none (0.3 and older) QuPath makes up new ones at each reading, and it keeps those that stand
    there twice. Then they are replaced by those of the other engine, which reads the same objects in the same order.
    """
    items = list(walk(hierarchy))
    if _has_uuids(description) and len({uuid_of(item) for item in items}) == len(items):
        return items
    for item, other in zip(items, others(), strict=True):
        item.setID(java_uuid(other.uuid.int))
    return items


def _has_uuids(description: str) -> bool:
    """Was the data file that begins with this text written by QuPath 0.4 or later?"""
    found = re.search(r'"qupathVersion"\s*:\s*"v?(\d+)\.(\d+)', description)
    return description[:1] == "{" and (found is None or (int(found[1]), int(found[2])) >= (0, 4))


def java_uuid(number: int) -> Any:
    """A java.util.UUID of a UUID's 128 bits."""
    high, low = number >> 64, number & (1 << 64) - 1
    return java_class("java.util.UUID")(_signed(high), _signed(low))


def _signed(number: int) -> int:
    return number - (1 << 64) if number >> 63 else number
