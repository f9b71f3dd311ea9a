"""The same changes by either engine end in the same objects, on disk and in QuPath's eyes."""

import dataclasses
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shapely.affinity import translate
from shapely.geometry import LineString, MultiLineString, MultiPoint, MultiPolygon, Point, Polygon, box

from cerberus_annotate.errors import DataFileError, ProjectChangedError, ProjectLockedError
from cerberus_annotate.qupath import Edit, InvalidObjectError, PathClass, PathObject, Project, open_project
from tests.qupath.contract.equality import assert_same_objects

Copy = Callable[[str], Path]


def outline(x: float, y: float, radius: float, corners: int = 12) -> Polygon:
    angles = np.linspace(0, 2 * np.pi, corners, endpoint=False)
    return Polygon(np.column_stack([x + radius * np.cos(angles), y + radius * np.sin(angles)]))


def one_of_each() -> list[PathObject]:
    """Every kind of object and shape that a program may add, with all that an object can have; one inside another."""
    gland = PathObject(
        outline(2000, 3000, 400).difference(outline(2000, 3000, 150)),
        path_class=PathClass.of("Gland: Malignant", (10, 200, 30)),
        class_probability=0.875,
        name="Drüse 🔬",
        locked=True,
        measurements={"Area µm²": 0.1234567890123, "Nothing": float("nan"), "Much": 1e300},
        metadata={"cerberus.run": "a", "cerberus.id": "1", "ANNOTATION_DESCRIPTION": "line\nbreak"},
        plane=(-1, 0, 0),
    )
    shapes = [
        (outline(100.123, 200.456, 30), ""),
        (box(10, 20, 40.5, 60.25), "Rectangle"),
        (outline(1_500_000.5, 70_000.25, 20), ""),
        (MultiPolygon([outline(500, 500, 20), outline(600, 500, 20)]), ""),
        (LineString([(1.5, 2.5), (30, 40)]), ""),
        (LineString([(1.5, 2.5), (30, 40), (50, 2)]), ""),
        (MultiPoint([(5.25, 6.5), (7, 8)]), ""),
        (Point(9, 10), ""),
        (MultiLineString([[(0, 0), (5, 5)], [(10, 0), (15, 5)]]), ""),
    ]
    children = [
        PathObject(shape, roi_kind=kind, parent=gland.uuid, plane=(-1, place % 3, place % 2), colour=(1, 2, place))
        for place, (shape, kind) in enumerate(shapes)
    ]
    cell = PathObject(
        outline(2100, 3000, 12), "cell", nucleus=outline(2101, 3000, 5), path_class=PathClass.of("Tumor: Positive")
    )
    others = [
        PathObject(outline(2200, 3000, 12), "cell"),
        PathObject(outline(2300, 3000, 6), "detection", measurements={"Eccentricity": 0.5}, parent=cell.uuid),
        PathObject(box(0, 0, 256, 256), "tile", roi_kind="Rectangle"),
    ]
    return [gland, *children, cell, *others]


def pair(sample_copy: Copy, tmp_path: Path, name: str) -> tuple[Project, Project]:
    """Two copies of a sample: one open in the native engine, one in paquo's."""
    native = open_project(sample_copy(name))
    other = native.folder.rename(tmp_path / "native")
    return open_project(other), open_project(sample_copy(name), "paquo")


def both_ways(change: Callable[[Edit, list[PathObject]], None], native: Project, paquo: Project, place: int) -> None:
    """Make a change with either engine and compare what either engine then reads of either file."""
    for project in (native, paquo):
        image = project.images[place]
        before = image.read_objects()
        with project.edit(image) as edit:
            change(edit, before)
    ours = open_project(native.folder).images[place].read_objects()
    assert_same_objects(ours, open_project(paquo.folder).images[place].read_objects())
    assert_same_objects(ours, open_project(native.folder, "paquo").images[place].read_objects())
    assert_same_objects(ours, paquo.images[place].read_objects())


@pytest.mark.parametrize("name", ["0.3.2/kinds", "0.4.4/kinds", "0.5.1/kinds", "0.6.0/kinds", "0.7.0/kinds"])
def test_objects_of_every_kind(writing_qupath: str, sample_copy: Copy, tmp_path: Path, name: str) -> None:
    added = one_of_each()
    both_ways(lambda edit, _: edit.add(added), *pair(sample_copy, tmp_path, name), 0)


def many(count: int, parent: uuid.UUID | None = None) -> list[PathObject]:
    """Objects that differ in little."""
    return [
        PathObject(
            outline(30 * number % 3000, 40 * number % 2000, 8 + number % 5, 8 + number % 7),
            "detection" if number % 3 else "annotation",
            path_class=PathClass.of(f"Nucleus: {number % 4}"),
            measurements={"Confidence": number / 512},
            metadata={"cerberus.run": "a"},
            parent=parent,
        )
        for number in range(count)
    ]


@pytest.mark.parametrize(
    "name", ["0.3.2/kinds", "0.4.4/kinds", "0.5.1/kinds", "0.6.0/kinds", "0.7.0/kinds", "0.6.0/empty"]
)
def test_objects_that_are_made_later(writing_qupath: str, sample_copy: Copy, tmp_path: Path, name: str) -> None:
    first, *others = one_of_each()
    under_it = many(1200, first.uuid)
    at_root = [*many(100), *[dataclasses.replace(item, parent=None) for item in others]]

    def change(edit: Edit, before: list[PathObject]) -> None:
        edit.add(first)
        edit.add_later(first.uuid, len(under_it), iter(under_it))
        edit.add_later(None, len(at_root), iter(at_root))
        if before:
            there = before[0].uuid
            edit.add_later(there, 3, [dataclasses.replace(item, parent=there) for item in below])

    below = many(3)
    both_ways(change, *pair(sample_copy, tmp_path, name), 0)


def test_objects_are_made_when_the_block_ends(project: Project) -> None:
    image = project.images[0]
    region = next(item for item in image.read_objects() if item.parent is None and item.kind == "annotation")
    asked = []

    def made() -> Iterator[PathObject]:
        asked.append(True)
        yield from many(30, region.uuid)

    with project.edit(image) as edit:
        edit.add_later(region.uuid, 30, made())
        edit.add_later(None, 0, iter(()))
        edit.remove(region.uuid)
        assert not asked
    found = [item for item in image.read_objects() if item.metadata.get("cerberus.run") == "a"]
    assert len(found) == 30
    assert {item.parent for item in found} == {None}


@pytest.mark.parametrize(
    ("count", "objects", "sentence"),
    [
        (0, many(1), "more than the 0"),
        (2, many(3), "more than the 2"),
        (4, many(3), "only 3 of the 4"),
        (1, many(1, uuid.UUID(int=9)), "comes among those of the root"),
        (1, [PathObject(Polygon())], "empty"),
        (2, [PathObject(box(0, 0, 5, 5), uuid=uuid.UUID(int=9))] * 2, "stands twice"),
    ],
)
def test_what_may_not_come_later_ends_the_edit(
    project: Project, count: int, objects: list[PathObject], sentence: str
) -> None:
    image = project.images[0]
    before = image.data_path.read_bytes()

    def stumble() -> None:
        with project.edit(image) as edit:
            edit.add(PathObject(box(0, 0, 9, 9)))
            edit.add_later(None, count, iter(objects))

    with pytest.raises(InvalidObjectError, match=sentence):
        stumble()
    assert image.data_path.read_bytes() == before


def test_into_an_image_that_was_never_saved(writing_qupath: str, sample_copy: Copy, tmp_path: Path) -> None:
    added = one_of_each()
    both_ways(lambda edit, _: edit.add(added), *pair(sample_copy, tmp_path, "0.6.0/empty"), 0)


@pytest.mark.parametrize("place", [0, 1, 3, 4])
def test_every_object_of_qupath_changed(writing_qupath: str, sample_copy: Copy, tmp_path: Path, place: int) -> None:
    """Name, class, colour, lock, measurements and metadata of all; shape, plane and parent of some."""

    def change(edit: Edit, before: list[PathObject]) -> None:
        top = [item for item in before if item.parent is None and item.kind == "annotation"]
        for number, item in enumerate(before):
            new = dataclasses.replace(
                item,
                name=f"{item.name} {number}",
                path_class=PathClass.of(f"Round {number % 3}: A") if number % 4 else None,
                colour=(number % 256, 2, 3) if number % 2 else None,
                class_probability=0.25 if number % 3 else float("nan"),
                locked=not item.locked,
                measurements={**item.measurements, "Added": number / 8},
                metadata={**item.metadata, "added": str(number)},
            )
            if number % 5 == 0 and item.roi_kind in ("Polygon", "Rectangle"):
                new = dataclasses.replace(new, roi=translate(item.roi, 3.5, -2), plane=(-1, 0, 0))
            if item.kind == "annotation" and item.parent is None and item.uuid != top[0].uuid and number % 3 == 0:
                new = dataclasses.replace(new, parent=top[0].uuid)
            edit.replace(new)

    both_ways(change, *pair(sample_copy, tmp_path, "0.6.0/kinds"), place)


def test_what_is_only_moved_keeps_all_else(writing_qupath: str, sample_copy: Copy, tmp_path: Path) -> None:
    """QuPath itself empties an object's measurements when it gets another ROI."""

    def change(edit: Edit, before: list[PathObject]) -> None:
        moved = [item for item in before if item.roi_kind == "Polygon" and item.measurements]
        assert moved
        for item in moved:
            edit.replace(dataclasses.replace(item, roi=translate(item.roi, 3.5, -2)))
        for item in before:
            if item not in moved:
                edit.replace(dataclasses.replace(item, plane=(-1, 0, 0)))

    both_ways(change, *pair(sample_copy, tmp_path, "0.6.0/kinds"), 0)


def test_cells_get_other_nuclei_and_lose_them(writing_qupath: str, sample_copy: Copy, tmp_path: Path) -> None:
    def change(edit: Edit, before: list[PathObject]) -> None:
        cells = [item for item in before if item.kind == "cell"]
        assert len(cells) >= 2
        edit.replace(dataclasses.replace(cells[0], nucleus=outline(*cells[0].roi.centroid.coords[0], 2)))
        edit.replace(dataclasses.replace(cells[1], nucleus=None))

    both_ways(change, *pair(sample_copy, tmp_path, "0.6.0/kinds"), 0)


def test_a_removed_parent_leaves_its_children_to_its_own(
    writing_qupath: str, sample_copy: Copy, tmp_path: Path
) -> None:
    def change(edit: Edit, before: list[PathObject]) -> None:
        parents = {item.parent for item in before} - {None}
        removed = [item for item in before if item.uuid in parents and item.kind != "tma_core"]
        assert removed
        for item in removed:
            edit.remove(item.uuid)

    both_ways(change, *pair(sample_copy, tmp_path, "0.6.0/kinds"), 0)


colours = st.none() | st.tuples(*[st.integers(0, 255)] * 3)
texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)
names = st.text("abcXYZ äß*+-_", min_size=1, max_size=8).filter(lambda text: text.strip() != "")
objects = st.builds(
    lambda x, y, radius, **rest: PathObject(outline(x, y, radius), **rest),
    st.floats(0, 100_000),
    st.floats(0, 100_000),
    st.floats(1, 500),
    kind=st.sampled_from(["annotation", "detection", "tile", "cell"]),
    plane=st.tuples(st.integers(-1, 2), st.integers(0, 9), st.integers(0, 9)),
    path_class=st.none() | st.lists(names, min_size=1, max_size=3).map(lambda parts: PathClass.of(": ".join(parts))),
    class_probability=st.just(float("nan")) | st.floats(0, 1),
    name=st.none() | texts,
    locked=st.booleans(),
    colour=colours,
    measurements=st.dictionaries(texts, st.floats(width=32), max_size=4),
    metadata=st.dictionaries(texts, texts, max_size=4),
    uuid=st.uuids(),
)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(batch=st.lists(objects, min_size=1, max_size=6, unique_by=lambda item: item.uuid), nested=st.booleans())
def test_any_objects(
    writing_qupath: str, samples: Path, tmp_path_factory: pytest.TempPathFactory, batch: list[PathObject], nested: bool
) -> None:
    import shutil

    if nested:
        batch = [batch[0], *[dataclasses.replace(item, parent=batch[0].uuid) for item in batch[1:]]]
    work = tmp_path_factory.mktemp("pair")
    for side in ("native", "paquo"):
        shutil.copytree(samples / "0.6.0/tiny", work / side, copy_function=shutil.copyfile)
        for path in (work / side, *(work / side).rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
    sides = open_project(work / "native"), open_project(work / "paquo", "paquo")
    both_ways(lambda edit, _: edit.add(batch), *sides, 0)


def test_an_exception_leaves_the_file_as_it_was(project: Project) -> None:
    image = project.images[0]
    before = image.data_path.read_bytes()

    def stumble() -> None:
        with project.edit(image) as edit:
            edit.add(one_of_each())
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        stumble()
    assert image.data_path.read_bytes() == before
    assert list(image.data_path.parent.glob(".*")) == []


def test_nothing_is_written_when_nothing_changed(project: Project) -> None:
    image = project.images[0]
    before = image.fingerprint()
    with project.edit(image) as edit:
        edit.add([])
        edit.replace(image.read_objects()[0])
    assert image.fingerprint() == before


def test_a_file_that_changed_in_between_is_not_overwritten(project: Project) -> None:
    image = project.images[0]
    known = image.fingerprint()
    with project.edit(image) as edit:
        edit.add(one_of_each())
    with pytest.raises(ProjectChangedError), project.edit(image, expected=known) as edit:
        pass
    saved = open_project(project.folder).images[1].data_path.read_bytes()

    def interfere() -> None:
        with project.edit(image) as edit:
            edit.add(PathObject(box(0, 0, 9, 9)))
            image.data_path.write_bytes(saved)

    with pytest.raises(ProjectChangedError, match="saved by QuPath"):
        interfere()
    assert image.data_path.read_bytes() == saved


def test_the_former_file_is_kept_where_asked(project: Project, tmp_path: Path) -> None:
    image, backup = project.images[0], tmp_path / "kept" / "data.qpdata"
    before = image.data_path.read_bytes()
    with project.edit(image, backup=backup) as edit:
        edit.add(PathObject(box(0, 0, 9, 9)))
    assert backup.read_bytes() == before


def test_an_edit_leaves_type_stains_history_properties_and_grid(project: Project) -> None:
    for image in project.images:
        ours = next(item for item in open_project(project.folder).images if item.id == image.id)
        before = ours.image_type, ours.stains, ours.properties, ours.metadata, ours.tags
        with project.edit(image) as edit:
            edit.set_property("cerberus.mark", "Ä 1")
        after = next(item for item in open_project(project.folder).images if item.id == image.id)
        properties = {**before[2], "cerberus.mark": "Ä 1"}
        assert after.image_type == before[0]
        assert (after.stains is None) == (before[1] is None)
        assert (
            properties.items() <= {**after.properties, "PROJECT_ENTRY_ID": properties.get("PROJECT_ENTRY_ID")}.items()
        )
        assert (after.metadata, after.tags) == before[3:]


def test_another_run_at_work_is_noticed(project: Project) -> None:
    other = open_project(project.folder)
    with other.lock(), pytest.raises(ProjectLockedError), project.edit(project.images[0]) as edit:
        edit.add(PathObject(box(0, 0, 9, 9)))


def test_what_cannot_be_added_is_refused_by_the_same_sentence(writing_qupath: str, sample_copy: Copy) -> None:
    identity = uuid.UUID(int=7)
    folder = sample_copy("0.6.0/kinds")
    taken = open_project(folder).images[0].read_objects()[0].uuid
    wrong = [
        PathObject(None, uuid=identity),
        PathObject(Polygon(), uuid=identity),
        PathObject(box(0, 0, 1, 1), "tma_core", uuid=identity),
        PathObject(box(0, 0, 1, 1), nucleus=box(0, 0, 1, 1), uuid=identity),
        PathObject(box(0, 0, 1, 1), parent=uuid.UUID(int=9), uuid=identity),
        PathObject(box(0, 0, 1, 1), parent=identity, uuid=identity),
        PathObject(box(0, 0, 1, 1), uuid=taken),
        PathObject(box(0, 0, 1, 1), plane=(-1, -1, 0), uuid=identity),
        PathObject(box(0, 0, 1, 1), metadata={"Object ID": "x"}, uuid=identity),
        PathObject(box(0, 0, 1, 1), path_class=PathClass(("a", " ")), uuid=identity),
        PathObject(box(0, 0, float("inf"), 1), uuid=identity),
    ]
    for item in wrong:
        sentences = []
        for engine in ("native", "paquo"):
            project = open_project(folder, engine)
            before = project.images[0].fingerprint()
            with pytest.raises(InvalidObjectError) as refusal, project.edit(project.images[0]) as edit:
                edit.add([PathObject(box(0, 0, 5, 5)), item])
            assert project.images[0].fingerprint() == before
            sentences.append(str(refusal.value))
        assert sentences[0] == sentences[1]


def test_what_qupath_did_not_write_is_noticed(
    writing_qupath: str, sample_copy: Copy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when QuPath's log alone tells that something went wrong."""
    from cerberus_annotate.qupath.paquo import editing

    project = open_project(sample_copy("0.6.0/kinds"), "paquo")
    image = project.images[0]
    before = image.data_path.read_bytes()
    made = editing.make_object

    def forgetful(item: PathObject, *rest: object) -> object:
        return made(dataclasses.replace(item, metadata={}), *rest)

    monkeypatch.setattr(editing, "make_object", forgetful)
    with pytest.raises(DataFileError, match="another metadata than was asked for"), project.edit(image) as edit:
        edit.add(one_of_each())
    assert image.data_path.read_bytes() == before
