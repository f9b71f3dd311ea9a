"""GeoJSON in QuPath's form, there and back."""

import dataclasses
import json
import math
import uuid
from pathlib import Path
from typing import Any

import pytest
import shapely
from shapely.geometry import LineString, MultiPoint, Polygon, box

from cerberus_annotate.errors import ProjectError, UsageError
from cerberus_annotate.qupath import PathClass, PathObject, open_project, read_geojson, write_geojson

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
        PathObject(box(0, 0, 3, 3), kind="cell", roi_kind="Polygon", nucleus=box(1, 1, 2, 2), plane=(-1, 2, 3)),
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
        assert all(shapely.equals_exact(ours.roi, item.roi) for ours, item in zip(read, objects, strict=True))
        assert [item.roi_kind == "Ellipse" for item in read] == [item.roi_kind == "Ellipse" for item in objects]


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
