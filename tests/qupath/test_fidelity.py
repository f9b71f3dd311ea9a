"""Objects that we write hold the field values that QuPath itself wrote for the same objects."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from shapely.geometry import box

from cerberus_annotate.qupath import Image, PathClass, PathObject, Project, open_project
from cerberus_annotate.qupath.java import read_stream, write_stream
from cerberus_annotate.qupath.java.values import Block, ClassDesc, JavaArray, JavaObject, JavaString
from cerberus_annotate.qupath.native import descriptors as names
from cerberus_annotate.qupath.native.data_file import root_of
from cerberus_annotate.qupath.native.editing import TreeEdit
from cerberus_annotate.qupath.native.measurement_names import bucket
from cerberus_annotate.qupath.native.new_data import new_stream
from cerberus_annotate.qupath.native.object_reading import Step, name_steps, walk

SAMPLES = Path(__file__).parents[1] / "data" / "qupath-samples"
#: Versions whose files hold UUIDs; the classes of a file are the same in all.
VERSIONS = ("0.4.4", "0.5.1", "0.6.0", "0.7.0")
NUMERIC = (names.DOUBLE_LIST, names.FLOAT_LIST)
Copy = Callable[[str], Path]


def fields_of(node: Any) -> Any:
    """All that a node holds as plain values: class names, field names, texts, bytes."""
    if isinstance(node, JavaString):
        return node.text
    if isinstance(node, Block):
        return node.data
    if isinstance(node, JavaArray):
        content = node.values
        return node.desc.name, [fields_of(item) for item in content] if isinstance(content, list) else node.encoded()
    if isinstance(node, JavaObject):
        chain: list[ClassDesc] = []
        step: ClassDesc | None = node.desc
        while step is not None:
            chain.insert(0, step)
            step = step.parent
        levels = chain if len(node.data) == len(chain) else [node.desc]  # Externalizable: one for the whole chain
        return node.desc.name, [
            (
                {field.name: fields_of(value) for field, value in zip(level.fields, data.values, strict=True)},
                [fields_of(item) for item in data.annotation],
            )
            for level, data in zip(levels, node.data, strict=True)
        ]
    return node


def steps_of(data: bytes, image_id: str = "1") -> dict[UUID, Step]:
    return {step.uuid: step for step in name_steps(walk(root_of(read_stream(data))), image_id)}


def written_anew(project: Project, image: Image, objects: list[PathObject]) -> dict[UUID, Step]:
    """The objects as a file holds them that has nothing from QuPath; those in TMA cores go to the root."""
    cores = {item.uuid for item in objects if item.kind == "tma_core"}
    kept = [dataclasses.replace(item, parent=None) if item.parent in cores else item for item in objects]
    edit = TreeEdit(new_stream(project.version, image.server.json, "", "UNSET"), image.id, project.classes)
    edit.add(item for item in kept if item.kind != "tma_core")
    edit.finish()
    return steps_of(write_stream(edit.stream), image.id)


@pytest.mark.parametrize("version", VERSIONS)
def test_objects_written_by_us_have_the_fields_that_qupath_wrote(version: str) -> None:
    project = open_project(SAMPLES / version / "kinds")
    compared = 0
    for image in project.images:
        objects = image.read_objects()
        theirs, ours = steps_of(image.data_path.read_bytes(), image.id), written_anew(project, image, objects)
        for item in objects:
            if item.kind == "tma_core":
                continue
            one, other = ours[item.uuid], theirs[item.uuid]
            assert one.node.desc.name == other.node.desc.name
            for part in ("name", "colour", "metadata", "locked"):
                assert fields_of(getattr(one.parts, part)) == fields_of(getattr(other.parts, part)), (item, part)
            assert one.parts.tail == other.parts.tail
            # Plane, class and every number of the shape; "c" among them.
            assert fields_of(one.parts.roi) == fields_of(other.parts.roi)
            assert fields_of(one.parts.nucleus) == fields_of(other.parts.nucleus)
            compared += 1
    assert compared > 80


@pytest.mark.parametrize("version", VERSIONS)
def test_classes_have_qupaths_names_and_colours_from_the_base_down(version: str) -> None:
    """In the same file, where the colours of the levels above are known."""
    for image in open_project(SAMPLES / version / "kinds").images:
        data = image.data_path.read_bytes()
        edit = TreeEdit(read_stream(data), image.id, ())
        objects = {item.uuid: item for item in image.read_objects() if item.path_class is not None}
        copies = {uuid: PathObject(box(0, 0, 5, 5), path_class=item.path_class) for uuid, item in objects.items()}
        edit.add(copies.values())
        edit.finish()
        steps = steps_of(write_stream(edit.stream), image.id)
        for uuid, copy in copies.items():
            # Not only equal: the node that the file holds already.
            assert steps[copy.uuid].parts.path_class is steps[uuid].parts.path_class


@pytest.mark.parametrize("version", ["0.2.3", "0.3.2", *VERSIONS])
def test_measurement_lists_are_closed_with_qupaths_names_and_map(version: str) -> None:
    project = open_project(SAMPLES / version / "kinds")
    compared = 0
    for image in project.images[:2]:
        objects = image.read_objects()
        theirs, ours = steps_of(image.data_path.read_bytes(), image.id), written_anew(project, image, objects)
        for item in objects:
            other = theirs[item.uuid].parts.measurements
            if other is None or other.desc.name not in NUMERIC:
                continue
            node = ours[item.uuid].parts.measurements
            assert [fields_of(value) for value in node.data[0].values] == [
                fields_of(value) for value in other.data[0].values
            ]
            assert node.data[1].values[0].values.tolist() == pytest.approx(
                other.data[1].values[0].values.tolist(), rel=0, abs=0, nan_ok=True
            )
            compared += 1
    assert compared >= 6


def test_objects_that_measure_the_same_share_their_names() -> None:
    """As in QuPath's own files: 54 detections of the sample have one list of names and one map."""

    def shared(steps: dict[UUID, Step]) -> tuple[int, int, int]:
        lists = [step.parts.measurements.data[0].values for step in steps.values() if step.parts.measurements]
        return len(lists), len({id(values[1]) for values in lists}), len({id(values[2]) for values in lists})

    project = open_project(SAMPLES / "0.6.0/small-bulk")
    image = project.images[0]
    assert shared(steps_of(image.data_path.read_bytes())) == (54, 1, 1)
    assert shared(written_anew(project, image, image.read_objects())) == (54, 1, 1)


@pytest.mark.parametrize(
    ("text", "code"), [("", 0), ("a", 97), ("Hello", 69609650), ("polygenelubricants", -(2**31)), ("😀", 1772899)]
)
def test_names_are_hashed_as_java_does(text: str, code: int) -> None:
    """The codes are what String.hashCode gives."""
    number = code % (1 << 32)
    assert bucket(text, 1 << 16) == (number ^ number >> 16) % (1 << 16)


@pytest.mark.parametrize("count", [1, 12, 13, 126])
def test_maps_of_many_names_are_as_large_as_javas(count: int) -> None:
    edit = TreeEdit(new_stream("0.6.0", {}, "", "UNSET"), "1", ())
    item = PathObject(box(0, 0, 1, 1), measurements={f"Name {number}": float(number) for number in range(count)})
    edit.add(item)
    edit.finish()
    node = steps_of(write_stream(edit.stream))[item.uuid].parts.measurements.data[0].values[1]
    run = node.data[0].annotation
    buckets, size = int.from_bytes(run[0].data[:4]), int.from_bytes(run[0].data[4:])
    assert (buckets, size) == ({1: 16, 12: 16, 13: 32, 126: 256}[count], count)
    assert node.data[0].values == [0.75, buckets * 3 // 4]
    assert {key.text: value.data[-1].values[0] for key, value in zip(run[1::2], run[2::2], strict=True)} == {
        f"Name {number}": number for number in range(count)
    }


@pytest.mark.parametrize("name", ["coscia_lmd", "hepatovac", "orion"])
def test_objects_of_real_projects_keep_their_fields(name: str, shared: Path) -> None:
    """Shapes may come nearer to the grid of 0.01 px and lose cached statistics; all else is equal."""
    project = open_project(shared / "data" / "qupath-real" / name)
    compared = 0
    for image in project.images:
        if not image.has_data:
            continue
        objects = image.read_objects()
        theirs, ours = steps_of(image.data_path.read_bytes(), image.id), written_anew(project, image, objects)
        for item in objects:
            one, other = ours[item.uuid], theirs[item.uuid]
            for part in ("name", "colour", "metadata", "locked", "path_class"):
                assert fields_of(getattr(one.parts, part)) == fields_of(getattr(other.parts, part)), (item, part)
            assert one.parts.tail == other.parts.tail
            if item.roi_kind in ("Points", "Ellipse", "Rectangle"):
                assert fields_of(one.parts.roi) == fields_of(other.parts.roi)
            compared += 1
    assert compared >= 2


def test_a_new_shape_takes_no_statistics_from_the_old_one(shared: Path) -> None:
    """QuPath believes what is cached: the former area would be shown for the new shape."""
    project = open_project(shared / "data" / "qupath-real" / "coscia_lmd")
    image = project.images[0]
    edit = TreeEdit(read_stream(image.data_path.read_bytes()), image.id, project.classes)
    item, moved = [item for item in image.read_objects() if item.roi_kind == "Polygon"][:2]
    edit.replace(dataclasses.replace(item, roi=box(10, 10, 20, 20)))
    edit.replace(dataclasses.replace(moved, plane=(-1, 2, 0)))
    edit.finish()
    before, after = steps_of(image.data_path.read_bytes()), steps_of(write_stream(edit.stream))

    def statistics(step: Step) -> Any:
        ((_, [(values, _)])) = fields_of(step.parts.roi)
        return values["stats"]

    assert statistics(before[item.uuid]) is not None
    assert statistics(after[item.uuid]) is None
    # On another plane the shape is the same, and so is what is known of it.
    assert statistics(after[moved.uuid]) == statistics(before[moved.uuid])


def test_a_class_that_nobody_knows_gets_a_colour_for_every_level() -> None:
    edit = TreeEdit(new_stream("0.6.0", {}, "", "UNSET"), "1", ())
    item = PathObject(box(0, 0, 1, 1), path_class=PathClass.of("Nucleus: Epithelial", (1, 2, 3)))
    edit.add(item)
    edit.finish()
    node = steps_of(write_stream(edit.stream))[item.uuid].parts.path_class
    levels = []
    while node is not None:
        colour, name, node = node.data[0].values
        levels.append((name.text, None if colour is None else colour.data[-1].values[0]))
    assert [name for name, _ in levels] == ["Epithelial", "Nucleus"]
    assert levels[0][1] == -16711165  # 0xFF010203
    assert levels[1][1] is not None
