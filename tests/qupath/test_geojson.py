"""GeoJSON in QuPath's form, there and back."""

import dataclasses
import gzip
import json
import math
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shapely.geometry import LineString, MultiPoint, Polygon, box

from cerberus_annotate.errors import ProjectError, UsageError
from cerberus_annotate.qupath import PathClass, PathObject, open_project, read_geojson, write_geojson
from cerberus_annotate.qupath.geojson.writing import Form

GEOJSON = Path(__file__).parents[1] / "data" / "geojson"
SAMPLES = Path(__file__).parents[1] / "data" / "qupath-samples"


def test_objects_come_back_as_they_were(tmp_path: Path) -> None:
    objects = [
        PathObject(
            Polygon([(0, 0), (10, 0), (10, 10), (0, 10)], [[(2, 2), (4, 2), (4, 4), (2, 4)]]),
            roi_kind="Geometry",
            path_class=PathClass.of("Gland: Surface epithelium", (1, 2, 3)),
            name='quoted "é😀"',
            locked=True,
            colour=(4, 5, 6),
            measurements={"Area µm^2": 0.1, "none": math.nan, "endless": -math.inf},
            metadata={"run": "1"},
        ),
        PathObject(box(0, 0, 3, 3), kind="cell", roi_kind="Rectangle", nucleus=box(1, 1, 2, 2), plane=(-1, 2, 3)),
        PathObject(LineString([(0, 0), (1, 1)]), kind="detection", roi_kind="Line"),
        PathObject(MultiPoint([(0, 0), (1, 1)]), roi_kind="Points", path_class=PathClass.of("Tumor", (200, 0, 0))),
    ]
    path = tmp_path / "deep" / "objects.geojson"
    write_geojson(objects, path)
    read = read_geojson(path)
    for ours, former in zip(read, objects, strict=True):
        assert repr(dict(ours.measurements)) == repr(dict(former.measurements))
        for field in dataclasses.fields(PathObject):
            if field.name not in ("measurements", "class_probability", "path_class"):
                assert getattr(ours, field.name) == getattr(former, field.name), field.name
        assert (ours.path_class and (ours.path_class.names, ours.path_class.colour)) == (
            former.path_class and (former.path_class.names, former.path_class.colour)
        )
    content = json.loads(path.read_text(encoding="utf-8"))
    assert content["type"] == "FeatureCollection"
    first = content["features"][0]["properties"]
    assert first["classification"] == {"names": ["Gland", "Surface epithelium"], "color": [1, 2, 3]}
    assert first["isLocked"] is True
    assert content["features"][1]["geometry"]["plane"] == {"c": -1, "z": 2, "t": 3}
    assert "nucleusGeometry" in content["features"][1]


def test_the_samples_objects_come_back(tmp_path: Path) -> None:
    for image in open_project(SAMPLES / "0.6.0/kinds").images:
        objects = image.read_objects()
        write_geojson(objects, tmp_path / "objects.geojson")
        read = read_geojson(tmp_path / "objects.geojson")
        assert [(item.uuid, item.kind, item.name, item.path_class) for item in read] == [
            (item.uuid, item.kind, item.name, item.path_class) for item in objects
        ]
        assert all(shapely.equals_exact(ours.roi, item.roi, 0.0051) for ours, item in zip(read, objects, strict=True))
        assert [item.roi_kind for item in read] == [item.roi_kind for item in objects]


@pytest.mark.parametrize("version", ["0.3.2", "0.4.4", "0.5.1", "0.7.0"])
def test_what_each_qupath_writes_is_read(version: str) -> None:
    """The same objects, written by that QuPath itself (tests/data/geojson/README.md)."""
    images = open_project(SAMPLES / "0.6.0/kinds").images
    objects = [
        item for image in images for item in image.read_objects() if item.roi is not None and _is_in_the_samples(item)
    ]
    read = read_geojson(GEOJSON / f"{version}.geojson")
    assert len(read) == len(objects)
    for ours, item in zip(read, objects, strict=True):
        assert (ours.kind, ours.name, ours.locked, ours.colour, ours.plane) == (
            item.kind,
            item.name,
            item.locked,
            item.colour,
            item.plane,
        )
        assert ours.path_class == item.path_class
        assert (ours.path_class and ours.path_class.colour) == (item.path_class and item.path_class.colour)
        with np.errstate(over="ignore"):
            assert list(ours.measurements) == list(item.measurements)
            assert np.array_equal(
                np.float32(list(ours.measurements.values())), np.float32(list(item.measurements.values())), True
            )
        assert (ours.nucleus is None) == (item.nucleus is None)
        assert shapely.hausdorff_distance(ours.roi, item.roi) < 0.02
        if version != "0.3.2":
            assert (ours.uuid, ours.roi_kind) == (item.uuid, item.roi_kind)
        if version not in ("0.3.2", "0.4.4"):
            assert ours.metadata == item.metadata


def _is_in_the_samples(item: PathObject) -> bool:
    return item.kind != "tma_core" and item.roi.geom_type != "MultiLineString"


POLYGON = {"type": "Polygon", "coordinates": [[[0, 0], [9, 0], [9, 9], [0, 0]]]}


@pytest.mark.parametrize(
    ("content", "count"),
    [
        (POLYGON, 1),
        ([POLYGON, POLYGON], 2),
        ({"type": "Feature", "geometry": POLYGON, "properties": None}, 1),
        ([{"type": "Feature", "geometry": POLYGON, "properties": {}}], 1),
        ({"type": "FeatureCollection", "features": []}, 0),
        ({"type": "Feature", "geometry": None, "properties": {"objectType": "root"}}, 0),
    ],
)
def test_every_form_is_read(content: Any, count: int, tmp_path: Path) -> None:
    path = tmp_path / "x.geojson"
    path.write_text(json.dumps(content), encoding="utf-8-sig")
    assert [item.kind for item in read_geojson(path)] == ["annotation"] * count


def test_a_tma_core_is_called_as_qupath_calls_it(tmp_path: Path) -> None:
    path = tmp_path / "x.geojson"
    feature = {"type": "Feature", "geometry": POLYGON, "properties": {"objectType": "tmaCore", "isMissing": False}}
    path.write_text(json.dumps(feature))
    core = read_geojson(path)[0]
    assert core.kind == "tma_core"
    write_geojson([core], path)
    assert json.loads(path.read_text())["features"][0]["properties"]["objectType"] == "tmaCore"
    assert read_geojson(path)[0].kind == "tma_core"


def test_what_older_qupath_wrote_is_read(tmp_path: Path) -> None:
    path = tmp_path / "x.geojson"
    feature = {
        "type": "Feature",
        "id": "PathDetectionObject",
        "geometry": POLYGON | {"coordinates": [[[0, 0, 5], [9, 0, 5], [9, 9, 5], [0, 0, 5]]]},
        "properties": {
            "classification": {"name": "Tumor: Positive", "colorRGB": -3670016},
            "isLocked": False,
            "measurements": [{"name": "a", "value": 1.5}, {"name": "b", "value": None}],
            "childObjects": [{"type": "Feature", "geometry": POLYGON, "properties": {"object_type": "cell"}}],
        },
    }
    path.write_text(json.dumps([feature]))
    parent, child = read_geojson(path)
    assert (parent.kind, child.kind, child.parent) == ("detection", "cell", parent.uuid)
    assert parent.path_class == PathClass.of("Tumor: Positive")
    assert parent.path_class.colour == (200, 0, 0)
    assert parent.measurements["a"] == 1.5
    assert math.isnan(parent.measurements["b"])
    assert not parent.roi.has_z


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff",
        b"3",
        b"[3]",
        b"[" * 200_000,
        b'{"type":"Topology"}',
        b'{"type":"FeatureCollection"}',
        b'{"type":"Polygon"}',
        b'{"type":"Polygon","coordinates":[[[0,0],[1]]]}',
        b'{"type":"Polygon","coordinates":3}',
        b'{"type":"Feature","geometry":{"type":"Blob"},"properties":{}}',
        b'{"type":"Feature","geometry":[],"properties":3}',
        b'{"type":"Feature","geometry":{"type":"Point","coordinates":[1,1]},'
        b'"properties":{"classification":{"name":" "}}}',
        b'{"type":"Feature","geometry":{"type":"Point","coordinates":[1,1]},"properties":{"measurements":3}}',
    ],
)
def test_what_is_no_geojson_is_refused_with_a_sentence(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.geojson"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=r"x\.geojson is not GeoJSON"):
        read_geojson(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        read_geojson(tmp_path / "x.geojson")


def test_a_failed_write_leaves_the_former_file(tmp_path: Path) -> None:
    path = tmp_path / "x.geojson"
    write_geojson([PathObject(box(0, 0, 1, 1))], path)
    before = path.read_bytes()

    def broken() -> Any:
        yield PathObject(box(0, 0, 1, 1), uuid=uuid.uuid4())
        raise OSError(28, "No space left on device")

    with pytest.raises(ProjectError, match="No space left"):
        write_geojson(broken(), path)
    assert path.read_bytes() == before
    assert [item.name for item in tmp_path.iterdir()] == ["x.geojson"]


def test_what_we_write_is_what_qupath_writes(tmp_path: Path) -> None:
    """Feature for feature, member for member; only an ellipse is drawn with more vertices."""
    theirs = GEOJSON / "0.7.0.geojson"
    write_geojson(read_geojson(theirs), tmp_path / "x.geojson")
    written = [json.loads(path.read_text("utf-8"))["features"] for path in (tmp_path / "x.geojson", theirs)]
    for features in written:
        for feature in features:
            if feature["geometry"].get("isEllipse"):
                del feature["geometry"]["coordinates"]
    assert written[0] == written[1]


def test_the_form_that_every_version_reads(tmp_path: Path) -> None:
    """Types, derived classes and measurements stand where QuPath 0.3 looks for them; 0.4 and later look there too."""
    former = read_geojson(GEOJSON / "0.7.0.geojson")
    path = tmp_path / "x.geojson"
    assert write_geojson(former, path, "0.3") == len(former)
    features = json.loads(path.read_text("utf-8"))["features"]
    assert {feature["properties"]["object_type"] for feature in features} == {"annotation", "detection", "tile", "cell"}
    derived = next(item for item in former if item.path_class == PathClass.of("Stroma: CD3: CD8"))
    classification = features[former.index(derived)]["properties"]["classification"]
    assert classification["name"] == "CD8"
    assert classification["parentClass"]["parentClass"]["name"] == "Stroma"
    assert all(isinstance(feature["properties"].get("measurements", []), list) for feature in features)
    for ours, item in zip(read_geojson(path), former, strict=True):
        assert repr(dict(ours.measurements)) == repr(dict(item.measurements))
        assert (ours.kind, ours.path_class, ours.uuid, ours.metadata) == (
            item.kind,
            item.path_class,
            item.uuid,
            item.metadata,
        )


def test_a_class_without_colour_gets_one_because_qupath_refuses_the_file_otherwise(tmp_path: Path) -> None:
    write_geojson([PathObject(box(0, 0, 1, 1), path_class=PathClass.of("Tumor"))], tmp_path / "x.geojson")
    feature = json.loads((tmp_path / "x.geojson").read_text())["features"][0]
    assert feature["properties"]["classification"] == {"name": "Tumor", "color": [200, 0, 0]}


def test_gzip_is_written_and_read_whatever_the_name(tmp_path: Path) -> None:
    objects = read_geojson(GEOJSON / "0.7.0.geojson")
    packed, plain = tmp_path / "x.geojson.gz", tmp_path / "x.geojson"
    write_geojson(objects, packed)
    write_geojson(objects, plain)
    assert packed.stat().st_size < plain.stat().st_size / 4
    assert gzip.decompress(packed.read_bytes()) == plain.read_bytes()
    packed.rename(tmp_path / "renamed.json")
    assert [item.uuid for item in read_geojson(tmp_path / "renamed.json")] == [item.uuid for item in objects]


@pytest.mark.parametrize("cut", [10, 400, -20])
def test_a_cut_off_gzip_file_is_refused_with_a_sentence(cut: int, tmp_path: Path) -> None:
    path = tmp_path / "x.geojson.gz"
    write_geojson(read_geojson(GEOJSON / "0.7.0.geojson"), path)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(UsageError, match=r"x\.geojson\.gz is damaged or cut off"):
        read_geojson(path)


def _read(content: Any, tmp_path: Path) -> list[PathObject]:
    path = tmp_path / "x.geojson"
    path.write_text(json.dumps(content), encoding="utf-8")
    return read_geojson(path)


def test_features_without_id_have_the_same_id_each_time(tmp_path: Path) -> None:
    """So that importing a file of another tool twice does not double its objects."""
    feature = {"type": "Feature", "geometry": POLYGON, "properties": {"name": "a"}}
    other = feature | {"properties": {"name": "b"}}
    first = _read([feature, other, feature, POLYGON], tmp_path)
    again = _read({"type": "FeatureCollection", "features": [feature, other, feature, POLYGON]}, tmp_path)
    assert [item.uuid for item in first] == [item.uuid for item in again]
    assert len({item.uuid for item in first}) == 4


def test_children_stand_under_their_parent(tmp_path: Path) -> None:
    """`childObjects` is what QuPath writes for a hierarchy, `children` what it reads as well."""

    def feature(name: str, **properties: Any) -> dict[str, Any]:
        return {"type": "Feature", "geometry": POLYGON, "properties": {"name": name} | properties}

    grandchild = feature("c")
    child = feature("b", childObjects=[grandchild])
    root = {"type": "Feature", "geometry": {}, "properties": {"objectType": "root", "childObjects": [feature("a")]}}
    objects = {item.name: item for item in _read([feature("top", children=[child]), root], tmp_path)}
    assert list(objects) == ["top", "b", "c", "a"]
    assert objects["c"].parent == objects["b"].uuid
    assert objects["b"].parent == objects["top"].uuid
    assert objects["a"].parent is objects["top"].parent is None


def test_an_object_without_shape_is_left_out(tmp_path: Path) -> None:
    """QuPath writes {} for an object without ROI."""
    empty = [{"type": name, "coordinates": []} for name in ("Polygon", "Point")]
    features = [{"type": "Feature", "geometry": shape, "properties": {}} for shape in ({}, None, *empty, POLYGON)]
    assert len(_read(features, tmp_path)) == 1


def test_an_ellipse_stays_one_in_the_project(tmp_path: Path, sample_copy: Callable[[str], Path]) -> None:
    circle = shapely.Point(50, 60).buffer(10)
    geometry = json.loads(shapely.to_geojson(circle)) | {"isEllipse": True}
    (ellipse,) = _read(geometry, tmp_path)
    project = open_project(sample_copy("0.6.0/empty"))
    with project.edit(project.images[0]) as edit:
        edit.add(ellipse)
    (read,) = project.images[0].read_objects()
    assert read.roi_kind == "Ellipse"
    assert read.roi.bounds == (40, 50, 60, 70)


@pytest.mark.parametrize(
    ("points", "kind"),
    [
        ([[0, 0], [5, 0], [5, 3], [0, 3], [0, 0]], "Rectangle"),
        ([[5, 3], [5, 0], [0, 0], [0, 3], [5, 3]], "Rectangle"),
        ([[0, 0], [5, 0], [5, 3], [1, 3], [0, 0]], "Polygon"),
        ([[0, 0], [5, 0], [5, 3], [5, 0], [0, 0]], "Polygon"),
        ([[0, 0], [5, 0], [0, 0], [5, 0], [0, 0]], "Polygon"),
        ([[0, 0], [5, 0], [5, 3], [0, 0]], "Polygon"),
    ],
)
def test_a_box_along_the_axes_is_a_rectangle_as_in_qupath(points: Any, kind: str, tmp_path: Path) -> None:
    (item,) = _read({"type": "Polygon", "coordinates": [points]}, tmp_path)
    assert item.roi_kind == kind


def test_of_a_collection_the_areas_count_as_in_qupath(tmp_path: Path) -> None:
    collection = {
        "type": "GeometryCollection",
        "geometries": [
            {"type": "Point", "coordinates": [1, 1]},
            {"type": "GeometryCollection", "geometries": [POLYGON]},
            {"type": "MultiPolygon", "coordinates": [[[[20, 20], [25, 20], [25, 25], [20, 20]]]]},
        ],
    }
    (item,) = _read(collection, tmp_path)
    assert item.roi.geom_type == "MultiPolygon"
    assert item.roi.area == 40.5 + 12.5


def test_metadata_are_texts(tmp_path: Path) -> None:
    metadata = {"text": "a", "number": 1, "truth": True, "nothing": None, "list": [1]}
    (item,) = _read({"type": "Feature", "geometry": POLYGON, "properties": {"metadata": metadata}}, tmp_path)
    assert item.metadata == {"text": "a", "number": "1", "truth": "true"}


NAMES = st.text(min_size=1).filter(lambda text: ":" not in text and len(text.strip().splitlines()) == 1)
COLOURS = st.tuples(*[st.integers(0, 255)] * 3)
CLASSES = st.builds(
    lambda names, colour: PathClass.of(": ".join(names), colour), st.lists(NAMES, min_size=1, max_size=3), COLOURS
)
OBJECTS = st.builds(
    PathObject,
    roi=st.just(box(1, 2, 3.25, 4.5)),
    kind=st.sampled_from(["annotation", "detection", "cell", "tile", "tma_core"]),
    roi_kind=st.just("Rectangle"),
    plane=st.tuples(st.integers(-1, 3), st.integers(0, 9), st.integers(0, 9)),
    path_class=st.none() | CLASSES,
    name=st.none() | st.text(),
    locked=st.booleans(),
    colour=st.none() | COLOURS,
    measurements=st.dictionaries(st.text(), st.floats(), max_size=3),
    metadata=st.dictionaries(st.text(), st.text(), max_size=3),
    uuid=st.uuids(),
)


@given(st.lists(OBJECTS, max_size=4, unique_by=lambda item: item.uuid), st.sampled_from(["0.3", "0.4"]), st.booleans())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_whatever_the_texts_and_numbers_they_come_back(
    tmp_path: Path, objects: list[PathObject], form: Form, packed: bool
) -> None:
    """Halves of surrogate pairs, quotes and control characters in names; any float among the measurements."""
    path = tmp_path / ("x.geojson.gz" if packed else "x.geojson")
    assert write_geojson(objects, path, form) == len(objects)
    # no dataclass equality: NaN is not equal to itself
    assert [repr(item) for item in read_geojson(path)] == [repr(item) for item in objects]
