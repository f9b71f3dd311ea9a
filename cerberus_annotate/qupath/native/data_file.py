"""data.qpdata: the parts of an image's data and where they stand in the stream."""

import contextlib
import json
import re
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from shapely.errors import ShapelyError

from cerberus_annotate.errors import DataFileError
from cerberus_annotate.garbage import no_collection
from cerberus_annotate.qupath.java import Stream, StreamError, read_stream
from cerberus_annotate.qupath.java.values import Block, JavaEnum, JavaObject, JavaString
from cerberus_annotate.qupath.native import descriptors as names
from cerberus_annotate.qupath.native.object_parts import MalformedError, class_name, field_values
from cerberus_annotate.qupath.native.object_reading import Classes, name_steps, read_steps, walk
from cerberus_annotate.qupath.path_object import PathClass, PathObject

#: What reading a well-formed stream that holds no QuPath data can end in.
MALFORMED = (
    MalformedError,
    AssertionError,
    AttributeError,
    IndexError,
    KeyError,
    OverflowError,
    RecursionError,
    ShapelyError,
    TypeError,
    ValueError,
    struct.error,
)


@dataclass(frozen=True)
class Stains:
    """Colour deconvolution: stain names with their unit vectors of optical density, and the background's RGB."""

    name: str
    vectors: tuple[tuple[str, tuple[float, float, float]], ...]
    background: tuple[float, float, float]


_HAEMATOXYLIN = "0.6511078257574492 0.7011930431234068 0.29049426072255424"
_EOSIN = "0.21589893562087106 0.8011960501132093 0.5580972485873467"
_DAB = "0.26916687204406536 0.5682411743268502 0.7775931859050778"


def _stains_text(name: str, second: str, values: str) -> str:
    return (
        f'{{"Name" : "{name}", "Stain 1" : "Hematoxylin", "Values 1" : "{_HAEMATOXYLIN}", '
        f'"Stain 2" : "{second}", "Values 2" : "{values}", "Background" : " 255 255 255"}}'
    )


#: What QuPath takes for each brightfield type when the file holds no stains.
DEFAULT_STAINS = {
    "BRIGHTFIELD_H_E": _stains_text("H&E default", "Eosin", _EOSIN),
    "BRIGHTFIELD_H_DAB": _stains_text("H-DAB default", "DAB", _DAB),
    # The same in every QuPath from 0.2 to 0.7.
    "BRIGHTFIELD_OTHER": _stains_text("H-DAB default", "DAB", _DAB),
}


@dataclass(frozen=True)
class Head:
    """What stands before the hierarchy.

    description: the JSON text (`Image path: …` before 0.3) of the second part, or "".
    image_type: name of the enum's constant.
    """

    description: str
    image_type: str
    stains: Stains | None


@dataclass(frozen=True)
class DataFileContent:
    """A data file by itself, outside a project."""

    description: str
    image_type: str
    stains: Stains | None
    objects: list[PathObject]


def read_data_file(path: str | Path, classes: Iterable[PathClass] = ()) -> DataFileContent:
    """Read a single .qpdata, of QuPath 0.1.2 or later.

    classes: the project's, whose colours count before those of the file. Objects without UUID get a stable one.
    Raises DataFileError.
    """
    path = Path(path)
    with no_collection():
        stream = load_stream(path.name, path)
        with reading(path.name, path):
            head = head_of(stream)
            objects = objects_of(stream, "", classes)
        del stream
    return DataFileContent(head.description, head.image_type, head.stains, objects)


class reading:  # noqa: N801
    """Context in which whatever a hostile tree makes of plain code becomes a DataFileError."""

    def __init__(self, image_name: str, path: Path) -> None:
        self._where = (image_name, path)

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, MALFORMED) and not isinstance(error, DataFileError):
            raise unreadable(*self._where, error) from error


def unreadable(image_name: str, path: Path, error: BaseException) -> DataFileError:
    """The sentence for a data file that cannot be read."""
    reason = str(error) if isinstance(error, StreamError | MalformedError | OSError) else "it holds no QuPath data"
    return DataFileError(
        f"The data file of image '{image_name}' ({path}) cannot be read: {reason}. QuPath shows such an image "
        "without objects: do not save it there; put back a backup of the file (see `cerberus-annotate restore`)."
    )


def load_stream(image_name: str, path: Path) -> Stream:
    """The parsed stream of a data file.  Raises DataFileError."""
    try:
        return read_stream(path.read_bytes())
    except (StreamError, OSError, MemoryError) as error:
        raise unreadable(image_name, path, error) from error


def _parts(stream: Stream) -> Iterable[Any]:
    """The top level up to the string "EOF"."""
    for item in stream.contents:
        if isinstance(item, JavaString) and item.text == "EOF":
            return
        yield item


def hierarchy_of(stream: Stream) -> JavaObject:
    """The PathObjectHierarchy node (the last, as QuPath has it).  Raises MalformedError when there is none."""
    found = None
    for item in _parts(stream):
        if class_name(item) == names.HIERARCHY:
            found = item
    if found is None:
        raise MalformedError("there is no object hierarchy in it")
    return found


def root_of(stream: Stream) -> JavaObject:
    """The root object of the hierarchy."""
    root = field_values(hierarchy_of(stream))["rootObject"]
    if class_name(root) != names.ROOT:
        raise MalformedError("the hierarchy has no root object")
    return root


def objects_of(stream: Stream, image_id: str, classes: Iterable[PathClass]) -> list[PathObject]:
    """All objects in the order of the stream, without the root.  Raises what `reading` turns into a sentence."""
    steps = list(name_steps(walk(root_of(stream)), image_id))
    return read_steps(steps[1:], Classes(classes))


def head_of(stream: Stream) -> Head:
    """Image type, stains and description of a stream."""
    description, image_type, stains = "", "UNSET", None
    for item in _parts(stream):
        if isinstance(item, JavaString) and not description:
            description = item.text
        elif isinstance(item, JavaEnum) and item.desc.name == names.IMAGE_TYPE:
            image_type = item.constant.text
        elif class_name(item) == names.STAINS:
            texts = [part for part in item.data[0].annotation if isinstance(part, JavaString)]
            stains = _read_stains(texts[0].text) if texts else None
    if stains is None and image_type in DEFAULT_STAINS:
        stains = _read_stains(DEFAULT_STAINS[image_type])
    return Head(description, image_type, stains)


def _read_stains(text: str) -> Stains:
    fields = json.loads(text, strict=False)

    def numbers(key: str) -> tuple[float, ...]:
        return tuple(float(part) for part in fields[key].split())

    vectors = []
    for number in (1, 2, 3):
        if f"Stain {number}" in fields:
            vector = np.array(numbers(f"Values {number}"))
            # A vector without a length is damage that hurts nobody: it stays.
            x, y, z = (vector / (np.linalg.norm(vector) or 1.0)).tolist()
            vectors.append((fields[f"Stain {number}"], (x, y, z)))
    red, green, blue = numbers("Background") if "Background" in fields else (255.0, 255.0, 255.0)
    return Stains(fields.get("Name") or "", tuple(vectors), (red, green, blue))


# Where the hierarchy begins: object, new class descriptor, length of the name, the name.
_HIERARCHY_START = b"\x73\x72" + len(names.HIERARCHY).to_bytes(2) + names.HIERARCHY.encode()


def load_head(image_name: str, path: Path) -> Head:
    """Image type and stains without parsing the hierarchy where that can be told apart.  Raises DataFileError."""
    try:
        with path.open("rb") as file:
            before = _before_hierarchy(file)
    except OSError as error:
        raise unreadable(image_name, path, error) from error
    # Handles point backwards only, so what stands before the hierarchy is a stream of its own.
    stream = None
    if before is not None:
        with contextlib.suppress(StreamError, MemoryError):
            stream = read_stream(before)
    if stream is None:
        stream = load_stream(image_name, path)
    with reading(image_name, path):
        return head_of(stream)


def _before_hierarchy(file: BinaryIO) -> bytes | None:
    """What stands in a data file before its hierarchy, the rest unread; None when no hierarchy begins in it."""
    data = bytearray()
    while piece := file.read(1 << 16):
        seen = max(len(data) - len(_HIERARCHY_START), 0)
        data += piece
        start = data.find(_HIERARCHY_START, seen)
        if start >= 0:
            return bytes(data[:start])
    return None


def header_text(stream: Stream) -> str:
    """`Data file version 3` and the like, "" when the first part is no such line."""
    first = stream.contents[0] if stream.contents else None
    return first.data[2:].decode("utf-8", "replace") if isinstance(first, Block) else ""


def release_of(version: str) -> tuple[int, int]:
    """(major, minor) of a QuPath version such as `0.6.0` or `v0.3.0-rc1`; a newest one when it cannot be read."""
    found = re.match(r"v?(\d+)\.(\d+)", version)
    return (int(found[1]), int(found[2])) if found else (99, 0)


def release_of_stream(stream: Stream) -> tuple[int, int]:
    """(major, minor) of the QuPath that wrote a data file, as far as it says."""
    description = head_of(stream).description
    if description.startswith("Image path:"):
        return 0, 2
    try:
        version = json.loads(description)["qupathVersion"]
    except (ValueError, TypeError, KeyError):
        version = ""
    return release_of(str(version))
