"""Damaged and hostile data files end in a sentence, never in anything else."""

import math
import random
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from shapely.geometry import box

from cerberus_annotate.errors import DataFileError
from cerberus_annotate.qupath import PathClass, PathObject, open_project, read_data_file
from cerberus_annotate.qupath.java import Stream, StreamError, read_stream, write_stream
from cerberus_annotate.qupath.java.values import (
    ELEMENT_DTYPES,
    Block,
    ClassData,
    JavaArray,
    JavaObject,
    JavaString,
)
from cerberus_annotate.qupath.native.data_file import root_of
from cerberus_annotate.qupath.native.descriptors import Descriptors
from cerberus_annotate.qupath.native.editing import TreeEdit
from cerberus_annotate.qupath.native.object_parts import class_name

SAMPLES = Path(__file__).parents[1] / "data" / "qupath-samples"
KINDS = SAMPLES / "0.6.0/kinds/data/1/data.qpdata"
Copy = Callable[[str], Path]


def read(data: bytes, folder: Path) -> None:
    path = folder / "data.qpdata"
    path.write_bytes(data)
    read_data_file(path)


def children_of(stream: Stream) -> list[JavaObject]:
    return [item for item in root_of(stream).data[0].annotation if isinstance(item, JavaObject)][1:]


@pytest.mark.parametrize("length", [0, 3, 4, 100, 2000, 9000, 15000])
def test_a_cut_file_is_named_and_left_alone(length: int, sample_copy: Copy) -> None:
    folder = sample_copy("0.6.0/kinds")
    project = open_project(folder)
    image = project.images[0]
    image.data_path.write_bytes(KINDS.read_bytes()[:length])
    with pytest.raises(DataFileError, match=r"'slide 1\.svs'.*cannot be read.*backup"):
        image.read_objects()
    with pytest.raises(DataFileError), project.edit(image) as edit:
        edit.add(PathObject(box(0, 0, 1, 1)))
    assert image.data_path.read_bytes() == KINDS.read_bytes()[:length]
    assert len(project.images[1].read_objects()) == 34


def test_a_file_without_its_last_word_is_read(tmp_path: Path) -> None:
    read(KINDS.read_bytes()[:-6], tmp_path)


def replace_children(change: Callable[[JavaObject, Descriptors], Any]) -> bytes:
    stream = read_stream(KINDS.read_bytes())
    change(children_of(stream)[0], Descriptors())
    return write_stream(stream)


def deep(node: JavaObject, described: Descriptors) -> None:
    """5,000 objects, each inside the one before."""
    template = list(node.data[0].annotation)
    inner: JavaObject | None = None
    count = next(place for place, item in enumerate(template) if isinstance(item, Block))
    tail = [item for item in template[count + 1 :] if "Annotation" not in class_name(item)]
    for _ in range(5000):
        children = [] if inner is None else [inner]
        run = [*template[:count], Block(len(children).to_bytes(4)), *children, *tail]
        inner = JavaObject(node.desc, [ClassData([], run)])
    node.data[0].annotation = [*template[:count], Block((1).to_bytes(4)), inner, *tail]


def test_deep_nesting_is_read(tmp_path: Path) -> None:
    path = tmp_path / "data.qpdata"
    path.write_bytes(replace_children(deep))
    content = read_data_file(path)
    assert len(content.objects) > 5000
    # All copies have one UUID in the file; ours are told apart.
    assert len({item.uuid for item in content.objects}) == len(content.objects)


def itself_as_child(node: JavaObject, described: Descriptors) -> None:
    items = node.data[0].annotation
    place = next(place for place, item in enumerate(items) if isinstance(item, Block))
    items[place : place + 2] = [Block((1).to_bytes(4)), node]


def more_children_than_there_are(node: JavaObject, described: Descriptors) -> None:
    items = node.data[0].annotation
    place = next(place for place, item in enumerate(items) if isinstance(item, Block))
    items[place] = Block((2**31 - 1).to_bytes(4))


def class_that_is_its_own_parent(node: JavaObject, described: Descriptors) -> None:
    path_class = next(item for item in node.data[0].annotation if "PathClass" in class_name(item))
    path_class.data[0].values[2] = path_class


def list_as_roi(node: JavaObject, described: Descriptors) -> None:
    items = node.data[0].annotation
    items[-2] = JavaObject(described["java.util.ArrayList"], [ClassData([0], [Block(bytes(4))])])


def unequal_coordinates(node: JavaObject, described: Descriptors) -> None:
    array = described["[F"]
    values = [-1, 0, 0, None, None, JavaArray(array, bytes(8)), JavaArray(array, bytes(400))]
    items = node.data[0].annotation
    items[-2] = JavaObject(described["qupath.lib.roi.PolygonROI$SerializationProxy"], [ClassData(values)])


def broken_wkb(node: JavaObject, described: Descriptors) -> None:
    values = [-1, 0, 0, None, JavaArray(described["[B"], b"\x00\x00\x00\x00\x03\x7f\xff\xff\xff")]
    items = node.data[0].annotation
    items[-2] = JavaObject(described["qupath.lib.roi.GeometryROI$WKBSerializationProxy"], [ClassData(values)])


@pytest.mark.parametrize(
    "change",
    [
        itself_as_child,
        more_children_than_there_are,
        class_that_is_its_own_parent,
        list_as_roi,
        unequal_coordinates,
        broken_wkb,
    ],
)
def test_well_formed_nonsense_is_refused(change: Callable[[JavaObject, Descriptors], Any], tmp_path: Path) -> None:
    data = replace_children(change)
    read_stream(data)
    with pytest.raises(DataFileError, match="cannot be read"):
        read(data, tmp_path)


def empty_polygon(node: JavaObject, described: Descriptors) -> None:
    unequal_coordinates(node, described)
    values = node.data[0].annotation[-2].data[0].values
    values[5].values = values[6].values = b""


def nan_polygon(node: JavaObject, described: Descriptors) -> None:
    unequal_coordinates(node, described)
    values = node.data[0].annotation[-2].data[0].values
    values[5].values = values[6].values = b"\x7f\xc0\0\0" * 5


def line_without_end(node: JavaObject, described: Descriptors) -> None:
    values = [-1, 0, 1.0, math.nan, 1.0, math.inf, 0, None]
    items = node.data[0].annotation
    items[-2] = JavaObject(described["qupath.lib.roi.LineROI$SerializationProxy"], [ClassData(values)])


@pytest.mark.parametrize("change", [empty_polygon, nan_polygon, line_without_end])
def test_shapes_that_qupath_tolerates_are_read_as_empty(
    change: Callable[[JavaObject, Descriptors], Any], tmp_path: Path
) -> None:
    path = tmp_path / "data.qpdata"
    path.write_bytes(replace_children(change))
    assert read_data_file(path).objects[0].roi.is_empty


@pytest.mark.parametrize("sample", ["0.6.0/kinds/data/1", "0.2.3/kinds/data/1", "0.6.0/kinds/data/5"])
def test_damaged_bytes_give_objects_or_a_sentence(sample: str, tmp_path: Path) -> None:
    data = (SAMPLES / sample / "data.qpdata").read_bytes()
    chance = random.Random(sample)
    refused = 0
    for _ in range(250):
        damaged = bytearray(data)
        for _ in range(chance.choice((1, 1, 2, 8))):
            byte = chance.choice((0, 0x70, 0x71, 0x73, 0x7F, 0xFF, chance.randrange(256)))
            damaged[chance.randrange(len(damaged))] = byte
        try:
            read(bytes(damaged), tmp_path)
        except DataFileError:
            refused += 1
    assert 0 < refused < 250


def nodes_of(stream: Stream) -> list[Any]:
    """Every string, block, array and object of a stream, once."""
    found: dict[int, Any] = {}
    todo = list(stream.contents)
    while todo:
        node = todo.pop()
        if isinstance(node, JavaString | Block | JavaArray | JavaObject) and id(node) not in found:
            found[id(node)] = node
            if isinstance(node, JavaObject):
                todo += [item for data in node.data for item in (*data.values, *data.annotation)]
            elif isinstance(node, JavaArray) and isinstance(node.content, list):
                todo += node.content
    return list(found.values())


TEXTS = ("", " ", "A: B", "\n", "{", "nan", "Object ID", "EOF", "\ud800")
NUMBERS = (0, -1, -2, 5, 2**31 - 1, -(2**31))
REALS = (0.0, -1.0, 1e300, math.nan, math.inf, -math.inf)
ELEMENTS = (b"\x7f\xc0" + bytes(6), b"\x7f\x80" + bytes(6), b"\x7f\x7f" + b"\xff" * 6, b"\xff" * 8, bytes(8))


def put_wrong_value(nodes: list[Any], chance: random.Random) -> None:
    """Changes one value to another that the stream may hold in its place."""
    node = chance.choice(nodes)
    if isinstance(node, JavaString):
        node.text = chance.choice(TEXTS)
    elif isinstance(node, Block):
        node.data = chance.choice((b"", node.data[:-1], node.data + b"\0", b"\xff" * len(node.data)))
    elif isinstance(node, JavaArray) and isinstance(node.content, list):
        node.content = chance.choice((node.content[:-1], [*node.content, chance.choice(nodes)], []))
    elif isinstance(node, JavaArray):
        raw, size = node.encoded(), ELEMENT_DTYPES[node.desc.name[1]].itemsize
        element = chance.choice(ELEMENTS)[:size]
        node.content = chance.choice((raw[size:], raw + element, element + raw[size:], element * (len(raw) // size)))
    else:
        data = chance.choice(node.data)
        values = data.values or data.annotation
        if values:
            place = chance.randrange(len(values))
            kind = type(values[place])
            wrong = {bool: (True, False), int: NUMBERS, float: REALS}.get(kind, (None, chance.choice(nodes)))
            values[place] = chance.choice(wrong)


def test_wrong_values_give_objects_that_can_be_edited_or_a_sentence(tmp_path: Path) -> None:
    """Every object of a file that is read outlives the addition of one more."""
    files = [path.read_bytes() for path in sorted(SAMPLES.rglob("*.qpdata")) if path.stat().st_size < 20_000]
    chance = random.Random(1)
    outcomes: Counter[str] = Counter()
    for _ in range(400):
        stream = read_stream(chance.choice(files))
        for _ in range(chance.choice((1, 1, 3))):
            put_wrong_value(nodes_of(stream), chance)
        path = tmp_path / "data.qpdata"
        try:
            path.write_bytes(write_stream(stream))
            before = read_data_file(path).objects
        except (StreamError, DataFileError) as error:
            outcomes[type(error).__name__] += 1
            continue
        edit = TreeEdit(read_stream(path.read_bytes()), "", ())
        item = PathObject(box(1, 1, 5, 5), path_class=PathClass.of("Tumor: New"), measurements={"a": 1.0})
        edit.add(item)
        edit.finish()
        path.write_bytes(write_stream(edit.stream))
        after = read_data_file(path).objects
        assert [other.kind for other in after if other.uuid != item.uuid] == [other.kind for other in before]
        outcomes["edited"] += 1
    assert outcomes["edited"] > 100
    assert outcomes["DataFileError"] > 100


def test_a_folder_in_the_place_of_the_data_file_is_no_data(sample_copy: Copy) -> None:
    folder = sample_copy("0.6.0/tiny")
    data = folder / "data" / "1" / "data.qpdata"
    data.unlink()
    data.mkdir()
    image = open_project(folder).images[0]
    with pytest.raises(DataFileError):
        image.fingerprint()
    shutil.rmtree(data)
    assert image.fingerprint() == "absent"
