"""Objects that are made while the data file is written: the same file as by `add`, in memory that does not grow."""

import dataclasses
import errno
import json
import math
import shutil
import tracemalloc
import uuid
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shapely.geometry import LineString, MultiPoint, MultiPolygon, Polygon, box

from cerberus_annotate.errors import DataFileError, SlideError
from cerberus_annotate.qupath import Edit, Image, InvalidObjectError, PathClass, PathObject, Project, open_project
from cerberus_annotate.qupath.java import read_stream, write_stream
from cerberus_annotate.qupath.native import commit, later_objects, node_building
from cerberus_annotate.qupath.native.editing import TreeEdit
from cerberus_annotate.qupath.native.new_data import new_stream

from .hierarchies import objects
from .test_commit import state_of
from .test_editing import all_described

SAMPLES = Path(__file__).parents[1] / "data" / "qupath-samples"
KINDS = ("0.2.3/kinds", "0.3.2/kinds", "0.4.4/kinds", "0.5.1/kinds", "0.6.0/kinds", "0.7.0/kinds")
Copy = Callable[[str], Path]
AddMany = Callable[[Edit, uuid.UUID | None, list[PathObject]], None]


def now(edit: Edit, parent: uuid.UUID | None, added: list[PathObject]) -> None:
    edit.add(added)


def later(edit: Edit, parent: uuid.UUID | None, added: list[PathObject]) -> None:
    edit.add_later(parent, len(added), iter(added))


def nuclei(count: int, parent: uuid.UUID | None = None) -> list[PathObject]:
    """As a run writes them: three classes, two measurements, the run and the UUID among the metadata."""
    made = []
    for number in range(count):
        x, y = 20 * (number % 100), 20 * (number // 100)
        own = uuid.UUID(int=1 << 127 | number)
        made.append(
            PathObject(
                Polygon([(x, y), (x + 8.25, y + 1), (x + 9, y + 7 + number % 5), (x + 3, y + 9)]),
                "detection" if number % 7 else "annotation",
                "Polygon",
                path_class=PathClass.of(f"Nucleus: {('Epithelial', 'Lymphocyte', 'Plasma')[number % 3]}", (9, 9, 9)),
                measurements={"Confidence": number / 1000, "Area µm^2": 30.5},
                metadata={"cerberus.run": "a run", "cerberus.id": str(own)},
                parent=parent,
                uuid=own,
            )
        )
    return made


def all_sorts(parent: uuid.UUID | None = None) -> list[PathObject]:
    """Objects that have little in common."""
    shapes: list[tuple[str, Any]] = [
        ("Polygon", Polygon([(0, 0), (10, 0), (10, 10.5), (0.25, 10)])),
        ("Geometry", Polygon([(0, 0), (10, 0), (10, 10), (0, 10)], [[(2, 2), (4, 2), (4, 4), (2, 4)]])),
        ("Geometry", MultiPolygon([box(0, 0, 1, 1), box(3, 3, 4, 4)])),
        ("Rectangle", box(0.125, 1, 30.5, 44)),
        ("Rectangle", box(0.0, 1, 30.5, 44)),
        ("Rectangle", box(-0.0, 1, 30.5, 44)),
        ("Line", LineString([(1, 2), (3, 4.5)])),
        ("Polyline", LineString([(1, 2), (3, 4.5), (9, 9)])),
        ("Points", MultiPoint([(1, 2), (3, 4.5)])),
    ]
    made: list[PathObject] = []
    for number in range(60):
        kind, shape = shapes[number % len(shapes)]
        object_kind: Any = ("annotation", "detection", "tile", "cell")[number % 4]
        item = PathObject(
            shape,
            object_kind,
            kind,
            plane=(number % 2 - 1, number % 3, 0),
            nucleus=box(1, 1, 2, 2) if object_kind == "cell" and number % 8 else None,
            path_class=PathClass.of(f"Tumor: {number % 5}") if number % 3 else None,
            class_probability=0.5 if number % 2 else math.nan,
            name=("Ω\0", "again", "again", None, f"only {number}")[number % 5],
            locked=number % 6 == 0,
            colour=(number % 4, 2, 3) if number % 2 else None,
            measurements={"one": number, "inf": math.inf} if number % 3 else {},
            metadata={"key": "value 😀", "other": f"{number % 2}"} if number % 4 else {},
            parent=parent,
            uuid=uuid.UUID(int=2 << 120 | number),
        )
        made.append(item)
        if made[:-1]:
            # another object's UUID as a text
            item.metadata["before"] = str(made[-2].uuid)  # type: ignore[index]
    return made


def written(data: bytes | None, change: Callable[[TreeEdit], None]) -> bytes:
    """The bytes of a data file after a change; None: of one without objects."""
    empty = write_stream(new_stream("0.6.0", {}, "", "UNSET")) if data is None else data
    edit = TreeEdit(read_stream(empty), "1", ())
    change(edit)
    edit.finish()
    return write_stream(edit.stream)


EMPTY = write_stream(new_stream("0.6.0", {}, "", "UNSET"))


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(objects(), max_size=12, unique_by=lambda item: item.uuid))
def test_the_same_bytes_as_by_add(added: list[PathObject]) -> None:
    assert written(EMPTY, lambda edit: later(edit, None, added)) == written(EMPTY, lambda edit: now(edit, None, added))


def test_shapes_of_numbers_alone_are_no_pattern_for_others() -> None:
    lines = [LineString([(number, 2), (3, 4.5)]) for number in range(5)]
    cells = [dataclasses.replace(item, kind="cell", nucleus=line) for item, line in zip(nuclei(5), lines, strict=True)]
    assert written(EMPTY, lambda edit: later(edit, None, cells)) == written(EMPTY, lambda edit: now(edit, None, cells))


@pytest.mark.parametrize("name", KINDS)
def test_the_same_bytes_as_by_add_in_files_of_every_version(name: str) -> None:
    added = [*nuclei(200), *all_sorts()]
    for path in sorted((SAMPLES / name).rglob("data.qpdata")):
        data = path.read_bytes()
        by_add = written(data, lambda edit: now(edit, None, added))
        assert written(data, lambda edit: later(edit, None, added)) == by_add
        assert len(by_add) > len(data)


def test_the_same_bytes_when_only_some_texts_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_building, "MOST_KEPT", 5)
    monkeypatch.setattr(later_objects, "AT_ONCE", 7)
    monkeypatch.setattr(later_objects, "_MOST_PATTERNS", 3)
    added = [*nuclei(50), *all_sorts()]
    assert written(EMPTY, lambda edit: later(edit, None, added)) == written(EMPTY, lambda edit: now(edit, None, added))


def edited(project: Project, change: Callable[[Edit, Image, AddMany], None], add: AddMany) -> None:
    image = project.images[0]
    with project.edit(image) as edit:
        change(edit, image, add)


def among_others(edit: Edit, image: Image, add: AddMany) -> None:
    """Under the root, an object of the image and a new one, twice under one; an object changed, one taken out."""
    there = image.read_objects()
    region, gone = there[0].uuid, next(item for item in there[1:] if item.kind == "annotation").uuid
    gland = PathObject(box(0, 0, 500, 500), name="gland", parent=region, uuid=uuid.UUID(int=7))
    added = nuclei(300)

    def under(parent: uuid.UUID | None, start: int, end: int) -> None:
        add(edit, parent, [dataclasses.replace(item, parent=parent) for item in added[start:end]])

    edit.add(gland)
    under(region, 0, 20)
    under(gland.uuid, 20, 120)
    edit.add(PathObject(box(0, 0, 5, 5), name="in between", parent=gland.uuid, uuid=uuid.UUID(int=8)))
    under(None, 120, 121)
    under(gland.uuid, 121, 299)
    add(edit, gland.uuid, all_sorts(gland.uuid))
    edit.remove(gone)
    edit.replace(dataclasses.replace(there[0], name="renamed"))
    edit.set_property("mark", "7")


@pytest.mark.parametrize("name", KINDS)
def test_the_same_project_as_by_add(name: str, sample_copy: Copy, tmp_path: Path) -> None:
    folder = sample_copy(name)
    other = tmp_path / "other"
    shutil.copytree(folder, other)
    edited(open_project(folder), among_others, later)
    edited(open_project(other), among_others, now)
    image, as_added = open_project(folder).images[0], open_project(other).images[0]
    assert image.data_path.read_bytes() == as_added.data_path.read_bytes()
    found = image.read_objects()
    assert all_described(found) == all_described(as_added.read_objects())
    assert sum(item.parent == uuid.UUID(int=7) for item in found) == 100 + 1 + 178 + 60
    summaries = [json.loads((path / "data/1/summary.json").read_text("utf-8")) for path in (folder, other)]
    assert summaries[0]["hierarchy"] == summaries[1]["hierarchy"]


def test_into_an_image_that_was_never_saved(sample_copy: Copy) -> None:
    project = open_project(sample_copy("0.6.0/empty"))
    image = project.images[0]
    assert not image.has_data
    added = nuclei(3000)
    with project.edit(image) as edit:
        edit.add_later(None, 3000, iter(added))
    assert all_described(image.read_objects()) == all_described(added)


def test_every_image_of_the_shared_samples_takes_them(shared: Path, tmp_path: Path) -> None:
    added = nuclei(150)
    files = sorted((shared / "data" / "qupath-samples").rglob("data.qpdata"))
    assert len(files) > 20
    for path in files:
        data = path.read_bytes()
        edit = TreeEdit(read_stream(data), "1", ())
        edit.add_later(None, len(added), added)
        edit.finish()
        assert write_stream(edit.stream) == written(data, lambda edit: now(edit, None, added)), path


def test_what_stands_under_a_removed_object_goes_up_to_its_parent(sample_copy: Copy) -> None:
    project = open_project(sample_copy("0.6.0/kinds"))
    image = project.images[0]
    region = image.read_objects()[0]
    with project.edit(image) as edit:
        edit.add_later(region.uuid, 30, nuclei(30, region.uuid))
        edit.remove(region.uuid)
    found = [item for item in image.read_objects() if "cerberus.run" in item.metadata]
    assert len(found) == 30
    assert {item.parent for item in found} == {region.parent}


def broken(error: Exception, after: int) -> Iterator[PathObject]:
    yield from nuclei(after)
    raise error


def bad(**changes: Any) -> list[PathObject]:
    """The last of many is not in order."""
    *sound, last = nuclei(1500)
    return [*sound, dataclasses.replace(last, **changes)]


@pytest.mark.parametrize(
    ("count", "added", "sentence"),
    [
        (1500, bad(roi=Polygon([(0, 0), (10, 10), (10, 0), (0, 10)])), "crosses itself"),
        (1500, bad(roi=None), "no shape"),
        (1500, bad(roi=Polygon()), "empty"),
        (1500, bad(path_class=PathClass(("Tu\nmor",))), "line break"),
        (1500, bad(metadata={"key": 1}), "no text"),
        (1500, bad(metadata={"Object ID": "x"}), "Object ID"),
        (1500, bad(measurements={"a": "1"}), "no number"),
        (1500, bad(name=7), "no text"),
        (1500, bad(plane=(-1, -1, 0)), "plane"),
        (1500, bad(kind="tma_core"), "tma_core"),
        (1500, bad(nucleus=box(0, 0, 1, 1)), "nucleus"),
        (1500, bad(parent=uuid.UUID(int=5)), "comes among those of the root"),
        (1500, bad(uuid=uuid.UUID(int=1 << 127 | 3)), "stands twice"),
        (1501, nuclei(1500), "only 1,500 of the 1,501"),
        (1499, nuclei(1500), "more than the 1,499"),
        (10, nuclei(0), "only 0 of the 10"),
        (0, nuclei(1), "more than the 0"),
    ],
)
def test_what_is_not_in_order_ends_the_edit_and_changes_nothing(
    count: int, added: list[PathObject], sentence: str, sample_copy: Copy, tmp_path: Path
) -> None:
    folder = sample_copy("0.6.0/kinds")
    before = state_of(folder)
    project = open_project(folder)

    def edit_it() -> None:
        with project.edit(project.images[0], backup=tmp_path / "backup.qpdata") as edit:
            edit.add(PathObject(box(0, 0, 5, 5)))
            edit.add_later(None, count, iter(added))

    with pytest.raises(InvalidObjectError, match=sentence):
        edit_it()
    assert state_of(folder) == before
    assert not (tmp_path / "backup.qpdata").exists()


def test_a_uuid_of_the_image_comes_in_only_once(sample_copy: Copy) -> None:
    project = open_project(sample_copy("0.6.0/kinds"))
    image = project.images[0]
    new = PathObject(box(0, 0, 5, 5))
    there = image.read_objects()[-1]

    def twice(*sources: Iterable[PathObject]) -> None:
        with project.edit(image) as edit:
            for place, source in enumerate(sources):
                edit.add(source) if place == 0 else edit.add_later(None, 1, source)

    for sources in (([], [dataclasses.replace(new, uuid=there.uuid)]), ([new], [new])):
        with pytest.raises(InvalidObjectError, match="in the image already"):
            twice(*sources)
    with pytest.raises(InvalidObjectError, match=f"{new.uuid} stands twice"):
        twice([], [new], [new])


def test_a_parent_must_be_there(sample_copy: Copy) -> None:
    project = open_project(sample_copy("0.6.0/kinds"))
    with (
        pytest.raises(InvalidObjectError, match="There is no object with the UUID"),
        project.edit(project.images[0]) as edit,
    ):
        edit.add_later(uuid.uuid4(), 1, nuclei(1))


def test_none_to_add_writes_nothing(sample_copy: Copy) -> None:
    folder = sample_copy("0.6.0/kinds")
    before = state_of(folder)
    project = open_project(folder)
    with project.edit(project.images[0]) as edit:
        edit.add_later(None, 0, iter(()))
    assert state_of(folder) == before


@pytest.mark.parametrize("error", [SlideError("The slide is gone."), OSError(errno.EIO, "a bad disk"), ValueError("?")])
def test_what_goes_wrong_with_the_objects_is_told_as_it_is(error: Exception, sample_copy: Copy) -> None:
    folder = sample_copy("0.6.0/kinds")
    before = state_of(folder)
    project = open_project(folder)

    def edit_it() -> None:
        with project.edit(project.images[0]) as edit:
            edit.add_later(None, 5000, broken(error, 3000))

    with pytest.raises(type(error)) as caught:
        edit_it()
    assert caught.value is error
    assert state_of(folder) == before


def test_a_full_disk_while_they_come_is_told_as_ever(sample_copy: Copy, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = sample_copy("0.6.0/kinds")
    before = state_of(folder)
    write = commit.write_synced

    class Full:
        """A file that takes a megabyte."""

        def __init__(self, file: Any) -> None:
            self.file = file

        def write(self, data: bytes) -> None:
            if self.file.tell() > 1 << 20:
                raise OSError(errno.ENOSPC, "No space left on device")
            self.file.write(data)

    monkeypatch.setattr(commit, "write_synced", lambda path, fill: write(path, lambda file: fill(Full(file))))
    project = open_project(folder)

    def edit_it() -> None:
        with project.edit(project.images[0]) as edit:
            edit.add_later(None, 10_000, nuclei(10_000))

    with pytest.raises(DataFileError, match=r"slide 1\.svs.*No space left on device.*as it was before"):
        edit_it()
    assert state_of(folder) == before


def test_what_an_interruption_leaves(sample_copy: Copy) -> None:
    folder = sample_copy("0.6.0/kinds")
    before = state_of(folder)
    project = open_project(folder)

    def interrupted() -> Iterator[PathObject]:
        yield from nuclei(3000)
        raise KeyboardInterrupt

    def edit_it() -> None:
        with project.edit(project.images[0]) as edit:
            edit.add_later(None, 5000, interrupted())

    with pytest.raises(KeyboardInterrupt):
        edit_it()
    assert state_of(folder) == before


def fresh(count: int) -> Iterator[PathObject]:
    """Objects that nobody holds."""
    shape = shapely.box(0, 0, 9, 9)
    for number in range(count):
        own = uuid.UUID(int=1 << 127 | number)
        metadata = {"cerberus.run": "a run", "cerberus.id": str(own), "Name": f"nucleus {number}"}
        yield PathObject(shape, "detection", measurements={"Area": number}, metadata=metadata, uuid=own)


def test_memory_does_not_grow_with_them(sample_copy: Copy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_building, "MOST_KEPT", 200)
    project = open_project(sample_copy("0.6.0/kinds"))

    def peak(image: Image, count: int) -> int:
        tracemalloc.start()
        with project.edit(image) as edit:
            edit.add_later(None, count, fresh(count))
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    peak(project.images[1], 100)  # what is imported and kept once
    few, many = peak(project.images[0], 5_000), peak(project.images[3], 10_000)
    # per object the UUID, and a byte for each handle that the check counts; both lists grow by some more at a time
    assert many - few < 60 * 5_000


def test_the_image_type_is_told_without_reading_the_objects(sample_copy: Copy) -> None:
    project = open_project(sample_copy("0.6.0/kinds"))
    image = project.images[0]
    kind = image.image_type
    with project.edit(image) as edit:
        edit.add_later(None, 4_000, nuclei(4_000))
    assert image.data_path.stat().st_size > 1_000_000
    tracemalloc.start()
    assert open_project(project.path).images[0].image_type == kind
    assert tracemalloc.get_traced_memory()[1] < 600_000
    tracemalloc.stop()
