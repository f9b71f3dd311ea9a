"""What an edit changes, and above all what it leaves alone."""

import dataclasses
import math
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from shapely.geometry import (
    GeometryCollection,
    LineString,
    MultiLineString,
    MultiPoint,
    MultiPolygon,
    Point,
    Polygon,
    box,
)

from cerberus_annotate.qupath import InvalidObjectError, PathClass, PathObject, open_project
from cerberus_annotate.qupath.java import read_stream, write_stream
from cerberus_annotate.qupath.java.values import ClassDesc, JavaArray, JavaEnum, JavaObject
from cerberus_annotate.qupath.native.data_file import objects_of
from cerberus_annotate.qupath.native.descriptors import _CLASSES, Descriptors
from cerberus_annotate.qupath.native.editing import TreeEdit
from cerberus_annotate.qupath.native.new_data import new_stream

SAMPLES = Path(__file__).parents[1] / "data" / "qupath-samples"
VERSIONS = ("0.2.3/kinds", "0.3.2/kinds", "0.4.4/kinds", "0.5.1/kinds", "0.6.0/kinds", "0.7.0/kinds")
Copy = Callable[[str], Path]


def described(item: PathObject) -> dict[str, Any]:
    """All of an object in a form that compares NaN equal to NaN and shapes by their coordinates."""
    values = {field.name: getattr(item, field.name) for field in dataclasses.fields(item)}
    for key in ("roi", "nucleus"):
        values[key] = None if values[key] is None else values[key].wkb
    values["class_probability"] = repr(item.class_probability)
    values["measurements"] = {name: repr(value) for name, value in item.measurements.items()}
    values["path_class"] = item.path_class and (item.path_class.names, item.path_class.colour)
    return values


def all_described(objects: list[PathObject]) -> list[dict[str, Any]]:
    return [described(item) for item in objects]


def through_a_file(objects: list[PathObject]) -> list[PathObject]:
    """The objects as they are read back from the bytes of a new data file."""
    edit = TreeEdit(new_stream("0.6.0", {}, "", "UNSET"), "1", ())
    edit.add(objects)
    edit.finish()
    return objects_of(read_stream(write_stream(edit.stream)), "1", ())


@pytest.mark.parametrize("name", VERSIONS)
def test_an_edit_that_changes_nothing_writes_nothing(name: str, sample_copy: Copy) -> None:
    folder = sample_copy(name)

    def state() -> dict[Path, tuple[bytes, int]]:
        return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()}

    before = state()
    project = open_project(folder)
    for image in project.images:
        with project.edit(image) as edit:
            for item in image.read_objects():
                edit.replace(item)
            edit.add([])
    assert state() == before


@pytest.mark.parametrize("name", VERSIONS)
def test_the_tree_is_byte_for_byte_the_same_when_every_object_is_taken_apart_and_put_together(name: str) -> None:
    for path in sorted((SAMPLES / name).rglob("data.qpdata")):
        data = path.read_bytes()
        edit = TreeEdit(read_stream(data), "1", ())
        edit._stale = {id(step): step for step in (edit._root, *edit._steps.values())}
        edit.finish()
        assert write_stream(edit.stream) == data


@pytest.mark.parametrize("name", VERSIONS)
def test_an_edit_of_one_object_leaves_every_other_equal(name: str, sample_copy: Copy) -> None:
    project = open_project(sample_copy(name))
    image = project.images[0]
    before = image.read_objects()
    head = (image.image_type, image.stains)
    target = before[3]
    changed = dataclasses.replace(
        target,
        name="changed Ω😀",
        locked=not target.locked,
        path_class=PathClass.of("Gland: Surface epithelium", (1, 2, 3)),
        colour=(9, 8, 7),
        class_probability=0.25,
        measurements={"Area µm^2": 12.5, "nothing": math.nan},
        metadata={"a": "b"},
    )
    with project.edit(image) as edit:
        edit.replace(changed)
    after = image.read_objects()
    assert (image.image_type, image.stains) == head
    assert described(after[3]) == described(changed)
    del before[3], after[3]
    assert all_described(after) == all_described(before)


@pytest.mark.parametrize("name", VERSIONS)
def test_removed_objects_leave_their_children_to_their_parent(name: str, sample_copy: Copy) -> None:
    project = open_project(sample_copy(name))
    image = project.images[0]
    before = {item.uuid: item for item in image.read_objects()}
    parent = next(item for item in before.values() if any(child.parent == item.uuid for child in before.values()))
    with project.edit(image) as edit:
        edit.remove(parent.uuid)
    after = {item.uuid: item for item in image.read_objects()}
    assert after.keys() == before.keys() - {parent.uuid}
    for item in after.values():
        former = before[item.uuid]
        expected = dataclasses.replace(former, parent=parent.parent) if former.parent == parent.uuid else former
        assert described(item) == described(expected)


def test_what_was_added_and_removed_again_leaves_the_former_bytes(sample_copy: Copy) -> None:
    """So workflow, properties, TMA grid and all unknown parts outlived two rewrites."""
    project = open_project(sample_copy("0.6.0/kinds"))
    for image in project.images:
        former = image.data_path.read_bytes()
        item = PathObject(box(0, 0, 5, 5))
        with project.edit(image) as edit:
            edit.add(item)
        assert image.data_path.read_bytes() != former
        with project.edit(image) as edit:
            edit.remove(item.uuid)
        assert image.data_path.read_bytes() == former


def test_an_ellipse_that_keeps_its_shape_stays_an_ellipse(sample_copy: Copy) -> None:
    project = open_project(sample_copy("0.6.0/kinds"))
    image = project.images[0]
    ellipse = next(item for item in image.read_objects() if item.roi_kind == "Ellipse")
    with project.edit(image) as edit:
        edit.replace(dataclasses.replace(ellipse, name="renamed", plane=(-1, 2, 1)))
    again = next(item for item in image.read_objects() if item.uuid == ellipse.uuid)
    assert (again.roi_kind, again.name, again.plane) == ("Ellipse", "renamed", (-1, 2, 1))
    assert again.roi.wkb == ellipse.roi.wkb
    with project.edit(image) as edit:
        edit.replace(dataclasses.replace(again, roi=box(1, 1, 9, 9)))
    assert next(item for item in image.read_objects() if item.uuid == ellipse.uuid).roi_kind == "Polygon"


def odd_square(number: float) -> Polygon:
    """A square with `number` among its coordinates."""
    with np.errstate(invalid="ignore"):
        return shapely.polygons([(0, 0), (number, 5), (5, 5), (0, 0)])


SHAPES = {
    "Polygon": Polygon([(0, 0), (10, 0), (10, 10.5), (0.25, 10)]),
    "Geometry": Polygon([(0, 0), (10, 0), (10, 10), (0, 10)], [[(2, 2), (4, 2), (4, 4), (2, 4)]]),
    "Rectangle": box(0.125, 1, 30.5, 44),
    "Line": LineString([(1, 2), (3, 4.5)]),
    "Polyline": LineString([(1, 2), (3, 4.5), (9, 9)]),
    "Points": MultiPoint([(1, 2), (3, 4.5)]),
}


@pytest.mark.parametrize("kind", SHAPES)
@pytest.mark.parametrize("object_kind", ["annotation", "detection", "tile", "cell"])
def test_every_kind_can_be_added(kind: str, object_kind: Any) -> None:
    item = PathObject(
        SHAPES[kind],
        kind=object_kind,
        roi_kind=kind,
        plane=(1, 2, 3),
        nucleus=box(1, 1, 2, 2) if object_kind == "cell" else None,
        path_class=PathClass.of("Tumor: Positive", (1, 2, 3)),
        class_probability=0.5,
        name="a\0b",
        locked=True,
        colour=(255, 0, 128),
        measurements={"one": 1.0, "inf": math.inf},
        metadata={"key": "value 😀"},
    )
    (read,) = through_a_file([item])
    assert described(dataclasses.replace(read, nucleus=None)) == described(dataclasses.replace(item, nucleus=None))
    assert (read.nucleus is None) == (item.nucleus is None)
    assert read.nucleus is None or read.nucleus.equals(item.nucleus)


def test_multipolygons_and_lines_become_geometries() -> None:
    parts = MultiPolygon([box(0, 0, 1, 1), box(3, 3, 4, 4)])
    lines = MultiLineString([[(0, 0), (1, 1)], [(2, 2), (3, 3)]])
    read = through_a_file([PathObject(parts), PathObject(lines), PathObject(Point(3, 4))])
    assert [item.roi_kind for item in read] == ["Geometry", "Geometry", "Points"]
    assert read[0].roi.equals(parts)
    assert read[1].roi.equals(lines)


coordinate = st.floats(0, 120_000, width=32)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.lists(st.tuples(coordinate, coordinate), min_size=3, max_size=12), min_size=1, max_size=6))
@example([[(0.0, 0.0), (1.0, 0.00390625), (6.0, 0.0), (257.0, 1.0)]])  # an end that is thinner than the grid
def test_what_is_added_is_read_back_valid_and_in_its_place(rings: list[list[tuple[float, float]]]) -> None:
    shapes = [shapely.convex_hull(MultiPoint(ring)) for ring in rings]
    shapes = [shape for shape in shapes if shape.geom_type == "Polygon" and shape.area > 1]
    # one that is nowhere wider than the grid has no area on it, however long it is, and is refused (see below)
    shapes = [shape for shape in shapes if not shape.buffer(-0.01).is_empty]
    read = through_a_file([PathObject(shape) for shape in shapes])
    assert len(read) == len(shapes)
    for item, shape in zip(read, shapes, strict=True):
        assert item.roi.is_valid
        points = shapely.get_coordinates(item.roi)
        assert (points == points.astype(np.float32)).all()
        assert len(points[:-1]) == len(np.unique(points[:-1], axis=0))
        # 0.01 px of grid, and float32 which is coarser than that far out.
        assert shapely.hausdorff_distance(item.roi, shape) <= 0.02


@pytest.mark.parametrize(
    ("shape", "sentence"),
    [
        (None, "no shape"),
        (Polygon(), "empty"),
        (LineString(), "empty"),
        (Polygon([(0, 0), (10, 10), (10, 0), (0, 10)]), "crosses itself"),
        (odd_square(math.nan), "not numbers"),
        (odd_square(math.inf), "not numbers"),
        (Polygon([(0, 0), (5, 0), (10, 0)]), "without area"),
        (Polygon([(0, 0), (0.001, 0), (0.001, 0.001)]), "without area"),
        (Polygon([(0, 0), (0, 513), (0.00390625, 0)]), "without area"),
        (GeometryCollection([Point(1, 1), box(0, 0, 1, 1)]), "GeometryCollection"),
    ],
)
def test_shapes_that_qupath_must_not_get_are_refused(shape: Any, sentence: str) -> None:
    edit = TreeEdit(new_stream("0.6.0", {}, "", "UNSET"), "1", ())
    good = PathObject(box(0, 0, 1, 1))
    with pytest.raises(InvalidObjectError, match=sentence):
        edit.add([good, PathObject(shape, name="the bad one")])
    assert not edit.changed
    edit.add([good])


def test_rings_are_mended_where_that_leaves_one_area() -> None:
    doubled = Polygon([(0, 0), (0, 0), (10, 0), (10, 10), (10, 10), (0, 10), (0, 0), (0, 0)])
    spike = Polygon([(0, 0), (10, 0), (10, 10), (15, 10), (10, 10), (0, 10)])
    touching = Polygon([(0, 0), (10, 0), (10, 10), (0, 10), (0, 5), (3, 3), (3, 7), (0, 5)])
    read = through_a_file([PathObject(shape) for shape in (doubled, spike, touching)])
    assert shapely.get_coordinates(read[0].roi)[:-1].shape == (4, 2)
    assert read[1].roi.equals(box(0, 0, 10, 10))
    assert read[2].roi.is_valid
    assert read[2].roi.area == pytest.approx(94)


def sound() -> PathObject:
    return PathObject(box(0, 0, 1, 1))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"path_class": PathClass(("Tumor", " "))}, "blank"),
        ({"path_class": PathClass(("Tu\nmor",))}, "line break"),
        ({"path_class": PathClass(())}, "blank"),
        ({"metadata": {"key": 1}}, "no text"),
        ({"metadata": {"Object ID": "x"}}, "Object ID"),
        ({"measurements": {"a": "1"}}, "no number"),
        ({"name": 7}, "no text"),
        ({"plane": (-1, -1, 0)}, "plane"),
        ({"plane": (-2, 0, 0)}, "plane"),
        ({"parent": uuid.uuid4()}, "parent"),
        ({"kind": "tma_core"}, "tma_core"),
        ({"nucleus": box(0, 0, 1, 1)}, "nucleus"),
    ],
)
def test_objects_that_qupath_must_not_get_are_refused(changes: dict[str, Any], sentence: str) -> None:
    edit = TreeEdit(new_stream("0.6.0", {}, "", "UNSET"), "1", ())
    with pytest.raises(InvalidObjectError, match=sentence):
        edit.add(dataclasses.replace(sound(), **changes))
    assert not edit.changed


def test_a_uuid_comes_in_only_once(sample_copy: Copy) -> None:
    project = open_project(sample_copy("0.6.0/kinds"))
    image = project.images[0]
    item = sound()
    with project.edit(image) as edit:
        with pytest.raises(InvalidObjectError, match="twice"):
            edit.add([item, item])
        with pytest.raises(InvalidObjectError, match="already"):
            edit.add(image.read_objects()[0])
        edit.add(item)
        with pytest.raises(InvalidObjectError, match="already"):
            edit.add(item)
        edit.remove(item.uuid)
        with pytest.raises(InvalidObjectError, match="no object"):
            edit.remove(item.uuid)
        with pytest.raises(InvalidObjectError, match="no object"):
            edit.replace(item)


def test_names_of_classes_are_written_as_qupath_would_make_them() -> None:
    (read,) = through_a_file([dataclasses.replace(sound(), path_class=PathClass((" Tumor: Positive ",)))])
    assert read.path_class == PathClass.of("Tumor: Positive")


def test_children_go_under_their_parents_in_any_order(sample_copy: Copy) -> None:
    project = open_project(sample_copy("0.6.0/kinds"))
    image = project.images[0]
    region = image.read_objects()[0]
    gland = dataclasses.replace(sound(), parent=region.uuid, name="gland")
    lumen = dataclasses.replace(sound(), parent=gland.uuid, name="lumen")
    with project.edit(image) as edit:
        edit.add([lumen, gland])
    found = {item.name: item for item in image.read_objects()}
    assert found["lumen"].parent == gland.uuid
    assert found["gland"].parent == region.uuid
    with project.edit(image) as edit, pytest.raises(InvalidObjectError, match="into itself"):
        edit.replace(dataclasses.replace(found["gland"], parent=lumen.uuid))
    one, other = sound(), sound()
    one, other = dataclasses.replace(one, parent=other.uuid), dataclasses.replace(other, parent=one.uuid)
    with project.edit(image) as edit, pytest.raises(InvalidObjectError, match="own parent"):
        edit.add([one, other])


def test_an_object_moves_to_another_parent(sample_copy: Copy) -> None:
    project = open_project(sample_copy("0.3.2/kinds"))
    image = project.images[0]
    before = {item.uuid: item for item in image.read_objects()}
    first, *_, last = before.values()
    with project.edit(image) as edit:
        edit.replace(dataclasses.replace(first, parent=last.uuid))
    after = {item.uuid: item for item in image.read_objects()}
    assert after[first.uuid].parent == last.uuid
    assert after.keys() == before.keys()


def test_tma_cores_stay(sample_copy: Copy) -> None:
    project = open_project(sample_copy("0.6.0/kinds"))
    image = project.images[4]
    core = image.read_objects()[0]
    with project.edit(image) as edit:
        with pytest.raises(InvalidObjectError, match="TMA core"):
            edit.remove(core.uuid)
        edit.replace(dataclasses.replace(core, name="Z-9", class_probability=0.5))
    again = image.read_objects()[0]
    assert (again.name, again.class_probability, again.kind) == ("Z-9", 0.5, "tma_core")


def test_a_class_has_one_node_and_the_projects_colour(sample_copy: Copy) -> None:
    folder = sample_copy("0.6.0/tiny")
    project = open_project(folder)
    image = project.images[0]
    tumour = PathClass.of("Tumor", (1, 1, 1))
    derived = PathClass.of("Tumor: Positive", (2, 2, 2))
    with project.edit(image) as edit:
        edit.add([dataclasses.replace(sound(), path_class=item) for item in (tumour, derived, derived)])
    data = image.data_path.read_bytes()
    nodes = [
        step.parts.path_class for step in TreeEdit(read_stream(data), "1", ())._steps.values() if step.parts.path_class
    ]
    assert len(nodes) == 4
    assert len({id(node) for node in nodes}) == 2
    # Tumor's node was in the file; Tumor: Positive takes its colour from classes.json.
    assert [item.path_class.colour for item in image.read_objects()] == [(200, 0, 0)] * 2 + [(255, 10, 20)] * 2


def test_objects_keep_their_uuid_in_projects_before_0_4(sample_copy: Copy) -> None:
    project = open_project(sample_copy("0.2.3/kinds"))
    image = project.images[0]
    before = image.read_objects()
    item = dataclasses.replace(sound(), metadata={"run": "1"})
    with project.edit(image) as edit:
        edit.add(item)
    after = image.read_objects()
    assert all_described(after[:-1]) == all_described(before)
    assert (after[-1].uuid, after[-1].metadata) == (item.uuid, {"run": "1"})


@pytest.mark.parametrize("name", VERSIONS)
def test_our_class_descriptors_are_qupaths(name: str) -> None:
    """New parts are described exactly as in the files of every version."""
    for path in sorted((SAMPLES / name).rglob("data.qpdata")):
        found: dict[str, ClassDesc] = {}
        stack: list[Any] = list(read_stream(path.read_bytes()).contents)
        seen: set[int] = set()
        while stack:
            node = stack.pop()
            if id(node) in seen:
                continue
            seen.add(id(node))
            if isinstance(node, JavaObject | JavaArray | JavaEnum):
                step: ClassDesc | None = node.desc
                while step is not None:
                    found[step.name] = step
                    step = step.parent
            if isinstance(node, JavaObject):
                stack += [item for data in node.data for item in (*data.values, *data.annotation)]
            elif isinstance(node, JavaArray) and isinstance(node.content, list):
                stack += node.content
        known = Descriptors()
        for descriptor in found.values():
            known.adopt(descriptor)
        ours = found.keys() & _CLASSES.keys()
        assert len(ours) > 10
        assert known.keys() == ours
