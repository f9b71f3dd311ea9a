"""Whatever hierarchy is written natively is read back as it was, in files of every version."""

import dataclasses
from collections import defaultdict
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cerberus_annotate.qupath import PathObject
from cerberus_annotate.qupath.java import read_stream, write_stream
from cerberus_annotate.qupath.native.data_file import objects_of
from cerberus_annotate.qupath.native.editing import TreeEdit
from cerberus_annotate.qupath.native.new_data import new_stream

from .hierarchies import hierarchies, objects

SAMPLES = Path(__file__).parents[1] / "data" / "qupath-samples"
VERSIONS = ("0.2.3", "0.3.2", "0.4.4", "0.5.1", "0.6.0", "0.7.0")
few = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
)


def assert_same(read: PathObject, made: PathObject) -> None:
    """Equal in every field; an ellipse, which the file holds as a box, within a millionth of a pixel."""
    for field in dataclasses.fields(PathObject):
        ours, theirs = getattr(made, field.name), getattr(read, field.name)
        if field.name in ("roi", "nucleus"):
            if made.roi_kind == "Ellipse" and ours is made.roi:
                assert shapely.equals_exact(theirs, ours, 1e-6)
            else:
                assert shapely.to_wkb(theirs) == shapely.to_wkb(ours), field.name
        elif field.name in ("class_probability", "measurements"):
            assert repr(dict(theirs) if isinstance(theirs, dict) else theirs) == repr(ours), field.name  # NaN is NaN
        else:
            assert theirs == ours, field.name


def assert_hierarchy(read: list[PathObject], made: list[PathObject]) -> None:
    assert len(read) == len(made)
    found = {item.uuid: item for item in read}
    for item in made:
        assert_same(found[item.uuid], item)
    assert siblings(read) == siblings(made)
    seen: set[UUID | None] = {None}
    colours = defaultdict(set)
    for item in read:
        assert item.parent in seen, "a child before its parent"
        seen.add(item.uuid)
        if item.path_class is not None:
            colours[item.path_class.names].add(item.path_class.colour)
    assert all(len(of_one) == 1 for of_one in colours.values())


def siblings(items: list[PathObject]) -> dict[UUID | None, list[UUID]]:
    """The children of each object in their order."""
    children = defaultdict(list)
    for item in items:
        children[item.parent].append(item.uuid)
    return dict(children)


def written(edit: TreeEdit) -> bytes:
    edit.finish()
    return write_stream(edit.stream)


@few
@given(hierarchies(), st.sampled_from(VERSIONS))
def test_any_hierarchy_is_read_back_from_a_new_file(made: list[PathObject], version: str) -> None:
    edit = TreeEdit(new_stream(version, {}, "", "BRIGHTFIELD_H_E"), "1", ())
    edit.add(made)
    data = written(edit)
    assert_hierarchy(objects_of(read_stream(data), "1", ()), made)
    assert write_stream(read_stream(data)) == data


KINDS = {version: (SAMPLES / version / "kinds/data/1/data.qpdata").read_bytes() for version in VERSIONS}


@pytest.mark.parametrize("version", ["0.4.4", "0.5.1", "0.6.0", "0.7.0"])
@settings(few, max_examples=12)
@given(st.data())
def test_what_is_added_among_qupaths_objects_and_taken_out_again_leaves_the_former_bytes(
    version: str, data: st.DataObject
) -> None:
    former = KINDS[version]
    before = objects_of(read_stream(former), "1", ())
    made = data.draw(hierarchies(tuple(item.uuid for item in before)))
    edit = TreeEdit(read_stream(former), "1", ())
    edit.add(made)
    added = written(edit)
    after = {item.uuid: item for item in objects_of(read_stream(added), "1", ())}
    for item in (*before, *made):
        assert_same(after[item.uuid], item)
    assert len(after) == len(before) + len(made)
    edit = TreeEdit(read_stream(added), "1", ())
    for item in data.draw(st.permutations(made)):
        edit.remove(item.uuid)
    assert written(edit) == former


@pytest.mark.parametrize("version", VERSIONS)
@settings(few, max_examples=10)
@given(st.data())
def test_any_run_of_edits_does_to_the_file_what_it_does_to_a_list(version: str, data: st.DataObject) -> None:
    """Add, change, move and remove, with the file written and read in between; compared with plain objects."""
    stream = KINDS[version]
    model = {item.uuid: item for item in objects_of(read_stream(stream), "1", ())}
    for _ in range(data.draw(st.integers(1, 3))):
        edit = TreeEdit(read_stream(stream), "1", ())
        for _ in range(data.draw(st.integers(1, 4))):
            one_edit(edit, model, data)
        stream = written(edit)
        read = objects_of(read_stream(stream), "1", ())
        assert {item.uuid for item in read} == model.keys()
        for item in read:
            assert_same(item, model[item.uuid])


def one_edit(edit: TreeEdit, model: dict[UUID, PathObject], data: st.DataObject) -> None:
    """The same change to both."""
    action = data.draw(st.sampled_from(["add", "replace", "replace", "move", "remove"]))
    if action == "add":
        made = data.draw(hierarchies(tuple(model), most=3))
        edit.add(made)
        model.update((item.uuid, item) for item in made)
        return
    item = data.draw(st.sampled_from(list(model.values())))
    if action == "replace":
        other = data.draw(objects(kind=item.kind))
        new = changed_in_some_fields(item, other, data)
        edit.replace(new)
        model[item.uuid] = new
    elif action == "move":
        parent = data.draw(st.sampled_from([None, *(uuid for uuid in model if not is_inside(model, uuid, item.uuid))]))
        new = dataclasses.replace(item, parent=parent)
        edit.replace(new)
        model[item.uuid] = new
    else:
        edit.remove(item.uuid)
        del model[item.uuid]
        for child in list(model.values()):
            if child.parent == item.uuid:
                model[child.uuid] = dataclasses.replace(child, parent=item.parent)


def changed_in_some_fields(item: PathObject, other: PathObject, data: st.DataObject) -> PathObject:
    """`item` with some of its fields as in `other`."""
    groups: list[tuple[str, ...]] = [
        *(("roi", "roi_kind"), ("plane",), ("nucleus",), ("class_probability",), ("name",), ("locked",)),
        *(("path_class",), ("colour",), ("measurements",), ("metadata",)),
    ]
    chosen = data.draw(st.lists(st.sampled_from(groups), min_size=1, max_size=4))
    changes: dict[str, Any] = {name: getattr(other, name) for group in chosen for name in group}
    return dataclasses.replace(item, **changes)


def is_inside(model: dict[UUID, PathObject], uuid: UUID | None, ancestor: UUID) -> bool:
    while uuid is not None:
        if uuid == ancestor:
            return True
        uuid = model[uuid].parent
    return False
