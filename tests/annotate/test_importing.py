"""GeoJSON files into a project: all or none, none twice, and what is there stays."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import shapely
from shapely.geometry import LineString, MultiPoint, box

from cerberus_annotate.annotate.geojson_files import file_stems, find_files, match_files
from cerberus_annotate.annotate.importing import Imported, import_geojson, same_objects
from cerberus_annotate.annotate.options import Options
from cerberus_annotate.annotate.run import run
from cerberus_annotate.annotate.undo import restore
from cerberus_annotate.errors import DataFileError, SlideError, UsageError
from cerberus_annotate.qupath import (
    InvalidObjectError,
    PathClass,
    PathObject,
    Project,
    open_project,
    read_geojson,
    write_geojson,
)

DATA = Path(__file__).parents[1] / "data"
MakeProject = Callable[..., Project]


@pytest.fixture
def kinds(tmp_path: Path) -> Project:
    """A copy of QuPath's own sample with every kind of object."""
    return copy_of("0.6.0/kinds", tmp_path)


def copy_of(sample: str, tmp_path: Path) -> Project:
    target = tmp_path / "project"
    shutil.copytree(DATA / "qupath-samples" / sample, target)
    for path in (target, *target.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return open_project(target)


def into(project: Project, image_number: int, *files: Path, take: bool = False) -> Imported:
    return import_geojson(project, project.images[image_number], files, Options(), take)


def counts(done: Imported) -> tuple[int, int, int, int]:
    return done.added, done.unchanged, done.replaced, done.kept


def test_an_export_is_in_its_image_already(kinds: Project, tmp_path: Path) -> None:
    """Nothing is written then: not the data file, no backup, whatever the objects are."""
    for number, image in enumerate(kinds.images):
        before = image.fingerprint()
        written = write_geojson(image.read_objects(), tmp_path / "x.geojson")
        assert counts(into(kinds, number, tmp_path / "x.geojson")) == (0, written, 0, 0)
        assert image.fingerprint() == before
    assert not list((kinds.folder / "cerberus").rglob("data.qpdata"))


@pytest.mark.parametrize("version", ["0.3.2", "0.4.4", "0.5.1", "0.7.0"])
def test_what_each_qupath_wrote_gets_in_once(version: str, tmp_path: Path) -> None:
    project = copy_of("0.6.0/kinds", tmp_path)
    target = project.images[1]  # as large as the largest that the objects are from, but with one plane only
    with project.edit(target) as edit:
        for item in target.read_objects():
            edit.remove(item.uuid)
    path = tmp_path / "x.geojson"
    objects = [replace(item, plane=(-1, 0, 0)) for item in read_geojson(DATA / "geojson" / f"{version}.geojson")]
    write_geojson(objects, path)
    assert counts(into(project, 1, path)) == (len(objects), 0, 0, 0)
    assert counts(into(project, 1, path)) == (0, len(objects), 0, 0)
    read = {item.uuid: item for item in target.read_objects()}
    assert all(same_objects(objects, [read[item.uuid] for item in objects]))
    assert [read[item.uuid].roi_kind for item in objects] == [item.roi_kind for item in objects]
    assert set(project.classes) >= {item.path_class for item in objects if item.path_class is not None}


def test_a_file_without_ids_is_not_imported_twice(kinds: Project, tmp_path: Path) -> None:
    path = tmp_path / "x.geojson"
    path.write_text(json.dumps([json.loads(shapely.to_geojson(box(x, 5, x + 9, 9))) for x in (10, 30, 10)]))
    assert counts(into(kinds, 2, path)) == (3, 0, 0, 0)
    assert counts(into(kinds, 2, path)) == (0, 3, 0, 0)


def test_what_differs_stays_unless_it_is_to_be_replaced_and_is_not_locked(kinds: Project, tmp_path: Path) -> None:
    parent, one, locked = (PathObject(box(at, 0, at + 50, 50), name=str(at)) for at in (0, 100, 200))
    one, locked = (
        replace(one, roi=box(5, 5, 10, 10), parent=parent.uuid, class_probability=0.5),
        replace(locked, locked=True),
    )
    with kinds.edit(kinds.images[2]) as edit:
        edit.add([parent, one, locked])
    path = tmp_path / "x.geojson"
    write_geojson([parent, replace(one, name="changed"), replace(locked, name="changed")], path)
    assert counts(into(kinds, 2, path)) == (0, 1, 0, 2)
    assert {item.name for item in kinds.images[2].read_objects()} == {"0", "100", "200"}
    assert counts(into(kinds, 2, path, take=True)) == (0, 1, 1, 1)
    read = {item.uuid: item for item in kinds.images[2].read_objects()}
    assert read[one.uuid].name == "changed"
    assert (read[one.uuid].parent, read[one.uuid].class_probability) == (parent.uuid, 0.5)
    assert read[locked.uuid].name == "200"


def test_the_data_from_before_come_back(kinds: Project, tmp_path: Path) -> None:
    image = kinds.images[0]
    before = image.data_path.read_bytes()
    write_geojson([PathObject(box(1, 1, 9, 9))], tmp_path / "x.geojson")
    into(kinds, 0, tmp_path / "x.geojson")
    into(kinds, 0, tmp_path / "x.geojson")  # adds nothing, so the backup stays the one from before the first
    assert image.data_path.read_bytes() != before
    (undone,) = restore(kinds, [image.name])
    assert undone.changed
    assert image.data_path.read_bytes() == before


OUTSIDE = [
    (PathObject(box(-5, 5, 9, 9)), r"outside of image 'other stains', which has 3000 x 3000 px"),
    (PathObject(box(5, 5, 9, 3001.5), name="n", path_class=PathClass.of("Tumor")), r"annotation 'n' of class 'Tumor'"),
    (PathObject(LineString([(1, 1), (1e9, 1)])), r"to \(1e\+09, 1\)"),
    (PathObject(box(1, 1, 9, 9), plane=(-1, 1, 0)), r"plane z = 1, t = 0, which image 'other stains' does not have"),
    (PathObject(box(1, 1, 9, 9), plane=(-1, -1, 0)), r"z and t start at 0"),
]


@pytest.mark.parametrize(("bad", "sentence"), OUTSIDE)
def test_a_file_with_an_object_outside_of_the_image_changes_nothing(
    bad: PathObject, sentence: str, kinds: Project, tmp_path: Path
) -> None:
    image = kinds.images[2]
    before, classes = image.fingerprint(), kinds.classes
    path = tmp_path / "x.geojson"
    good = [PathObject(box(at, at, at + 5, at + 5), path_class=PathClass.of("New")) for at in range(20)]
    write_geojson([*good, bad, *good[:1]], path)
    with pytest.raises(InvalidObjectError, match=sentence) as caught:
        into(kinds, 2, path)
    assert f"It stands in {path}; nothing was imported into image 'other stains'" in str(caught.value)
    assert image.fingerprint() == before
    assert kinds.classes == classes


def test_a_later_file_that_is_broken_takes_the_first_one_back(kinds: Project, tmp_path: Path) -> None:
    good, broken = tmp_path / "a.geojson", tmp_path / "b.geojson"
    write_geojson([PathObject(box(1, 1, 5, 5))], good)
    broken.write_text('[{"type":"Feature"')
    before = kinds.images[2].fingerprint()
    with pytest.raises(UsageError, match=r"b\.geojson is not GeoJSON"):
        into(kinds, 2, good, broken)
    assert kinds.images[2].fingerprint() == before


def test_half_a_pixel_beyond_the_border_is_no_other_image(kinds: Project, tmp_path: Path) -> None:
    write_geojson([PathObject(box(-0.5, -0.5, 3000.5, 3000.5))], tmp_path / "x.geojson")
    assert into(kinds, 2, tmp_path / "x.geojson").added == 1


def test_what_lies_outside_already_stays(kinds: Project, tmp_path: Path) -> None:
    """QuPath lets one drag objects over the border; their export is no reason to refuse."""
    with kinds.edit(kinds.images[2]) as edit:
        edit.add(PathObject(box(-50, -50, 10, 10)))
    write_geojson(kinds.images[2].read_objects(), tmp_path / "x.geojson")
    assert counts(into(kinds, 2, tmp_path / "x.geojson")) == (0, 1, 0, 0)


def test_numbers_that_are_none_are_refused(kinds: Project, tmp_path: Path) -> None:
    path = tmp_path / "x.geojson"
    path.write_text('{"type":"Polygon","coordinates":[[[0,0],[NaN,5],[5,5],[0,0]]]}')
    with pytest.raises(InvalidObjectError, match="coordinates that are not numbers"):
        into(kinds, 2, path)


def test_an_id_that_comes_twice_counts_once(kinds: Project, tmp_path: Path) -> None:
    """QuPath writes an object twice when a flat list is exported with children."""
    item = PathObject(box(1, 1, 5, 5))
    write_geojson([item, replace(item, name="again")], tmp_path / "x.geojson")
    done = into(kinds, 2, tmp_path / "x.geojson")
    assert (done.added, done.repeated) == (1, 1)
    assert [obj.name for obj in kinds.images[2].read_objects()] == [None]


def test_children_come_with_their_parents_and_tma_cores_stay_out(kinds: Project, tmp_path: Path) -> None:
    def feature(kind: str, name: str, *children: Any) -> dict[str, Any]:
        properties = {"objectType": kind, "name": name, "childObjects": list(children)}
        return {
            "type": "Feature",
            "id": str(uuid4()),
            "geometry": json.loads(shapely.to_geojson(box(1, 1, 90, 90))),
            "properties": properties,
        }

    core = feature("tmaCore", "core", feature("annotation", "gland", feature("detection", "nucleus")))
    path = tmp_path / "x.geojson"
    path.write_text(json.dumps([core]))
    done = into(kinds, 2, path)
    assert (done.added, done.cores) == (2, 1)
    objects = {item.name: item for item in kinds.images[2].read_objects()}
    assert set(objects) == {"gland", "nucleus"}
    assert objects["nucleus"].parent == objects["gland"].uuid
    assert objects["gland"].parent is None


def test_the_size_is_the_slides_where_the_project_has_none(tmp_path: Path) -> None:
    """An entry that QuPath 0.5 never opened has no metadata; without its slide nobody knows what lies outside."""
    project = copy_of("0.6.0/empty", tmp_path)
    write_geojson([PathObject(box(1, 1, 5, 5))], tmp_path / "x.geojson")
    assert into(project, 0, tmp_path / "x.geojson").added == 1
    with pytest.raises(SlideError):
        into(project, 1, tmp_path / "x.geojson")


def test_a_damaged_data_file_is_not_replaced(kinds: Project, tmp_path: Path) -> None:
    image = kinds.images[0]
    image.data_path.write_bytes(image.data_path.read_bytes()[:-400])
    write_geojson([PathObject(box(1, 1, 5, 5))], tmp_path / "x.geojson")
    before = image.fingerprint()
    with pytest.raises(DataFileError):
        into(kinds, 0, tmp_path / "x.geojson")
    assert image.fingerprint() == before


def test_a_run_takes_imported_predictions_for_the_same_ones(
    make_project: MakeProject, model: Any, predict: Any, tmp_path: Path
) -> None:
    """Export, delete all in QuPath, import again: the next run knows its own objects and doubles none."""
    project = make_project()
    image = project.images[0]
    options = Options(regions="whole")
    run(project, model, options, predict)
    objects = image.read_objects()
    write_geojson(objects, tmp_path / "x.geojson.gz")
    with project.edit(image) as edit:
        for item in objects:
            edit.remove(item.uuid)
    assert into(project, 0, tmp_path / "x.geojson.gz").added == len(objects)
    predict.shift = 0.2
    run(project, model, options, predict)
    assert len(image.read_objects()) == len(objects)


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({}, True),
        ({"roi": box(0.02, 0, 10, 10)}, True),
        ({"roi": shapely.Polygon([(10, 10), (0, 10), (0, 0), (10, 0)])}, True),
        ({"roi": box(0.2, 0, 10, 10)}, False),
        ({"roi": None}, False),
        ({"roi": LineString([(0, 0), (10, 10)])}, False),
        ({"nucleus": box(2, 2, 3, 3)}, False),
        ({"kind": "detection"}, False),
        ({"path_class": PathClass.of("A: B", (9, 9, 9))}, True),
        ({"path_class": PathClass.of("A")}, False),
        ({"name": "other"}, False),
        ({"locked": True}, False),
        ({"colour": (1, 1, 1)}, False),
        ({"plane": (-1, 1, 0)}, False),
        ({"metadata": {"k": "v"}}, False),
        ({"measurements": {"none": float("nan"), "a": 0.10000000149011612}}, True),
        ({"measurements": {"a": 0.1001, "none": float("nan")}}, False),
        ({"measurements": {"a": 0.1}}, False),
    ],
)
def test_what_counts_as_the_same_object(change: dict[str, Any], same: bool) -> None:
    measurements = {"a": 0.1, "none": float("nan")}
    item = PathObject(box(0, 0, 10, 10), path_class=PathClass.of("A: B", (1, 2, 3)), measurements=measurements)
    assert same_objects([item], [replace(item, **change)]) == [same]


@pytest.mark.parametrize("roi", [MultiPoint([(0, 0), (1, 1)]), LineString([(0, 0), (1, 1)])])
def test_points_and_lines_are_the_same_where_they_lie(roi: Any) -> None:
    item = PathObject(roi)
    moved = replace(item, roi=shapely.transform(roi, lambda points: points + 1))
    assert same_objects([item, item], [item, moved]) == [True, False]


class TestFilesOfImages:
    """Which file is for which image."""

    def test_an_export_names_them_apart(self, make_project: MakeProject, tmp_path: Path) -> None:
        (tmp_path / "other").mkdir()
        project = make_project("one.tif", "two.tif", "other/one.tif")
        assert sorted(file_stems(project.images).values()) == ["one.tif (1)", "one.tif (3)", "two.tif"]
        files = [tmp_path / name for name in ("two.tif.geojson.gz", "one.tif (3).json", "two.geojson")]
        matched = match_files(project, files, None)
        assert [(image.id, paths) for image, paths in matched] == [("2", [files[0], files[2]]), ("3", [files[1]])]

    @pytest.mark.parametrize(
        ("name", "pattern", "sentence"),
        [
            ("three.geojson", None, r"No image is called as the file three\.geojson; say with --image"),
            ("one.geojson", None, r"one\.geojson fits 2 images"),
            ("one.geojson", "*", r"3 images of the project have a name like \*"),
            ("one.geojson", "three", "No image of the project has a name like three"),
        ],
    )
    def test_a_file_that_fits_none_or_several_is_refused(
        self, name: str, pattern: str | None, sentence: str, make_project: MakeProject, tmp_path: Path
    ) -> None:
        (tmp_path / "other").mkdir()
        project = make_project("one.tif", "two.tif", "other/one.tif")
        with pytest.raises(UsageError, match=sentence):
            match_files(project, [tmp_path / name], pattern)

    def test_a_pattern_takes_all_files(self, make_project: MakeProject) -> None:
        project = make_project("one.tif", "two.tif")
        files = [Path("a.geojson"), Path("b.geojson")]
        assert match_files(project, files, "t*") == [(project.images[1], files)]

    def test_a_folder_means_the_files_in_it(self, tmp_path: Path) -> None:
        for name in ("b.GEOJSON", "a.json.gz", "notes.txt"):
            (tmp_path / name).touch()
        assert find_files([tmp_path, Path("c")]) == [tmp_path / "a.json.gz", tmp_path / "b.GEOJSON", Path("c")]
        with pytest.raises(UsageError, match="no GeoJSON file in the folder"):
            find_files([DATA / "qupath-samples"])
