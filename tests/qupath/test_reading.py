"""Every sample reads to what QuPath's own classes read from it."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from scipy.spatial import cKDTree

from cerberus_annotate.qupath import PathObject, open_project, read_data_file
from cerberus_annotate.qupath.colours import from_argb

SAMPLES = Path(__file__).parents[1] / "data" / "qupath-samples"
PROJECTS = sorted(str(path.parent.relative_to(SAMPLES)) for path in SAMPLES.glob("*/*/project.qpproj"))
REAL = ("coscia_lmd", "hepatovac", "orion", "avyan")
KINDS = {
    "PathAnnotationObject": "annotation",
    "PathDetectionObject": "detection",
    "PathCellObject": "cell",
    "PathTileObject": "tile",
    "TMACoreObject": "tma_core",
}


def load_expected(folder: Path) -> dict[str, Any]:
    """What QuPath itself read from the project in `folder`."""
    return json.loads((folder / "expected.json").read_text(encoding="utf-8"))


def number(value: Any) -> float:
    return float(value.replace("Infinity", "inf")) if isinstance(value, str) else float(value)


def same_number(one: float, other: Any) -> bool:
    return one == number(other) or (math.isnan(one) and math.isnan(number(other)))


def assert_shape(geometry: Any, expected: dict[str, Any], rounded: bool) -> None:
    """`rounded`: QuPath rounds geometries to 0.01 px when it reads them; we keep the file's numbers."""
    x, y, width, height = (number(value) for value in expected["bounds"])
    tolerance = 0.011 if rounded else 0.0
    if expected["empty"]:
        assert geometry.is_empty
        return
    if expected["class"] == "EllipseROI":
        tolerance = 1e-9
        assert geometry.area == pytest.approx(expected["area"], rel=1e-4)
    ours = np.array(geometry.bounds)
    assert np.allclose(ours, [x, y, x + width, y + height], rtol=0, atol=max(tolerance, 1e-9))
    if "points" in expected and expected["class"] != "GeometryROI":
        points = shapely.get_coordinates(geometry)
        if geometry.geom_type == "Polygon":
            points = points[:-1]
        assert points.tolist() == [[number(value) for value in point] for point in expected["points"]]
    if "wkt" in expected and expected["class"] != "EllipseROI":
        # QuPath's geometries are rounded to 0.01 px, and their start vertex and winding change between versions.
        shape = shapely.from_wkt(expected["wkt"])
        ours, theirs = shapely.get_coordinates(geometry), shapely.get_coordinates(shape)
        assert cKDTree(ours).query(theirs)[0].max() < 0.011
        assert cKDTree(theirs).query(ours)[0].max() < 0.011
        assert geometry.area == pytest.approx(shape.area, rel=1e-3)


def assert_object(ours: PathObject, expected: dict[str, Any], has_uuids: bool) -> None:
    assert ours.kind == KINDS[expected["class"]]
    assert ours.name == expected["name"]
    assert ours.locked == expected["locked"]
    assert ours.colour == (None if expected["color"] is None else from_argb(expected["color"]))
    if expected["pathClass"] is None:
        assert ours.path_class is None
    else:
        assert ours.path_class is not None
        assert list(ours.path_class.names) == expected["pathClass"]["names"]
        assert str(ours.path_class) == expected["pathClass"]["string"]
        assert ours.path_class.colour == from_argb(expected["pathClass"]["colors"][-1])
    assert same_number(ours.class_probability, expected["classProbability"])
    assert dict(ours.metadata) == expected["metadata"]
    measurements = expected["measurements"] or {"names": [], "values": []}
    assert list(ours.measurements) == measurements["names"]
    assert all(map(same_number, ours.measurements.values(), measurements["values"]))
    if has_uuids:
        assert str(ours.uuid) == expected["id"]
        assert (None if ours.parent is None else str(ours.parent)) == expected["parent"]
    roi = expected["roi"]
    rounded = roi["class"] in ("GeometryROI", "AreaROI")
    assert ours.plane == (roi["c"], roi["z"], roi["t"])
    assert ours.roi_kind in (roi["roiName"], "Area")
    assert_shape(ours.roi, roi, rounded)
    nucleus = expected.get("nucleus")
    assert (ours.nucleus is None) == (nucleus is None)
    if nucleus is not None:
        assert_shape(ours.nucleus, nucleus, nucleus["class"] == "GeometryROI")


def assert_content(image_type: str, stains: Any, objects: list[PathObject], data: dict[str, Any], uuids: bool) -> None:
    assert image_type == data["imageType"]
    if data["stains"] is None:
        assert stains is None
    else:
        assert stains.name == data["stains"]["name"]
        wanted = [stain for stain in data["stains"]["stains"] if not stain["residual"]]
        assert [name for name, _ in stains.vectors] == [stain["name"] for stain in wanted]
        vectors = [[stain["r"], stain["g"], stain["b"]] for stain in wanted]
        assert np.allclose([vector for _, vector in stains.vectors], vectors, rtol=0, atol=1e-6)
        assert stains.background == tuple(data["stains"][key] for key in ("maxRed", "maxGreen", "maxBlue"))
    assert len(objects) == data["nObjects"]
    assert len({item.uuid for item in objects}) == len(objects)
    place = {item.uuid: position for position, item in enumerate(objects)}
    for position, item in enumerate(objects):
        assert item.parent is None or place[item.parent] < position
    for expected in data["objects"]:
        assert_object(objects[expected["index"]], expected, uuids)
    if not uuids:
        # The UUIDs in the expectation are random; nesting must agree all the same.
        index_of = {entry["id"]: entry["index"] for entry in data["objects"]}
        for expected in data["objects"]:
            parent = objects[expected["index"]].parent
            assert (None if parent is None else place[parent]) == index_of.get(expected["parent"])
    kinds = [item.kind for item in objects]
    assert {name: kinds.count(kind) for name, kind in KINDS.items() if kind in kinds} == data["countsByKind"]
    assert sum(len(item.measurements) for item in objects) == data["totalMeasurements"]


def assert_project(folder: Path) -> None:
    expected = load_expected(folder)
    project = open_project(folder)
    assert project.version == expected["projectVersion"]
    assert [str(item) for item in project.classes] == [item["string"] for item in expected["pathClasses"]]
    assert [item.colour for item in project.classes] == [
        from_argb(item["colors"][-1]) for item in expected["pathClasses"]
    ]
    uuids = tuple(map(int, project.version.split(".")[:2])) >= (0, 4)
    listed = {image.id: image for image in project.images}
    for entry in expected["entries"]:
        image = listed[entry["entryID"]]
        assert image.name == entry["imageName"]
        assert image.description == entry["description"]
        assert image.metadata == entry["metadata"]
        assert list(image.tags) == entry.get("tags", [])
        assert [image.server.uri] == entry["uris"]
        assert image.has_data == entry["hasImageData"]
        if entry["hasImageData"]:
            assert_content(image.image_type, image.stains, image.read_objects(), entry["data"], uuids)
        else:
            assert image.read_objects() == []
            assert image.image_type == "UNSET"
            assert image.fingerprint() == "absent"


@pytest.mark.parametrize("name", PROJECTS)
def test_reads_what_qupath_reads(name: str) -> None:
    assert_project(SAMPLES / name)


@pytest.mark.parametrize("name", [f"qupath-real/{name}" for name in REAL] + ["qupath-samples/0.6.0/bulk20k"])
def test_reads_what_qupath_reads_from_real_projects(name: str, shared: Path) -> None:
    assert_project(shared / "data" / name)


def test_reads_a_single_data_file_of_0_1_2() -> None:
    folder = SAMPLES / "0.1.2"
    content = read_data_file(folder / "old12.qpdata")
    assert content.description.startswith("Image path:")
    assert_content(content.image_type, content.stains, content.objects, load_expected(folder), uuids=False)


@pytest.mark.parametrize("name", ["0.3.2/kinds", "0.2.3/kinds"])
def test_objects_without_uuid_get_the_same_one_at_every_reading(name: str) -> None:
    first, second = (
        [item.uuid for image in open_project(SAMPLES / name).images for item in image.read_objects()] for _ in "12"
    )
    assert first == second
    assert len(set(first)) == len(first)
    assert {uuid.version for uuid in first} == {5}


def test_the_colour_of_the_class_list_counts_before_that_of_the_data_file(sample_copy: Any) -> None:
    folder = sample_copy("0.6.0/kinds")
    classes = folder / "classifiers" / "classes.json"
    classes.write_text(classes.read_text(encoding="utf-8").replace("-3670016", "-16776961"), encoding="utf-8")
    objects = open_project(folder).images[0].read_objects()
    assert {item.path_class.colour for item in objects if str(item.path_class) == "Tumor"} == {(0, 0, 255)}


def test_pixel_size_is_none_when_it_is_in_px() -> None:
    assert open_project(SAMPLES / "0.6.0/tiny").images[0].pixel_size is None
    assert open_project(SAMPLES / "0.6.0/kinds").images[0].pixel_size == (0.2528, 0.2528)


def test_a_damaged_data_file_is_read_from_qupaths_bkp(sample_copy: Any) -> None:
    folder = sample_copy("0.6.0/tiny")
    data = folder / "data" / "1" / "data.qpdata"
    data.with_name("data.qpdata.bkp").write_bytes(data.read_bytes())
    data.write_bytes(data.read_bytes()[:900])
    image = open_project(folder).images[0]
    assert [item.roi_kind for item in image.read_objects()] == ["Rectangle"]
    assert image.image_type == "UNSET"
