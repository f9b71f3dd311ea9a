"""`export` and `import`: a project's objects as files, and back."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from shapely.geometry import box

from cerberus_annotate.qupath import PathObject, open_project, read_geojson, write_geojson

Call = Callable[..., "object"]
KINDS = Path(__file__).parents[1] / "data" / "qupath-samples" / "0.6.0" / "kinds"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    target = tmp_path / "project"
    shutil.copytree(KINDS, target)
    for path in (target, *target.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return target


def objects_of(project: Path) -> list[list[PathObject]]:
    return [image.read_objects() for image in open_project(project).images]


def test_an_emptied_project_gets_its_objects_back(call: Call, project: Path, tmp_path: Path) -> None:
    before = objects_of(project)
    done = call("export", project, "-o", tmp_path / "out", "--gzip", "--json")
    assert done.code == 0
    assert [one["objects"] for one in done.json["images"]] == [len(objects) for objects in before]
    assert [one["without_shape"] for one in done.json["images"]] == [0] * 5
    assert Path(done.json["images"][0]["file"]) == tmp_path / "out" / "slide 1.svs.geojson.gz"
    opened = open_project(project)
    for image, objects in zip(opened.images[:4], before, strict=False):
        with opened.edit(image) as edit:
            for item in objects:
                edit.remove(item.uuid)
    done = call("import", project, tmp_path / "out")
    assert done.code == 0, done.err
    assert "slide 1.svs: 34 objects added\n" in done.out
    assert "TMA: 0 objects added, 7 in it already\n" in done.out
    for now, then in zip(objects_of(project), before, strict=True):
        assert [item.uuid for item in now] == [item.uuid for item in then]


def test_images_and_form_are_chosen(call: Call, project: Path, tmp_path: Path) -> None:
    done = call("export", project, "-o", tmp_path, "--images", "IHC*", "--for-qupath", "0.3")
    assert done.code == 0
    assert done.out == f"IHC slide: 34 objects in {tmp_path / 'IHC slide.geojson'}\n"
    assert "object_type" in (tmp_path / "IHC slide.geojson").read_text("utf-8")
    assert len(read_geojson(tmp_path / "IHC slide.geojson")) == 34


def test_one_unreadable_image_does_not_keep_the_others(call: Call, project: Path, tmp_path: Path) -> None:
    (project / "data" / "1" / "data.qpdata").write_bytes(b"no data")
    done = call("export", project, "-o", tmp_path / "out", "--json")
    assert done.code == done.json["exit_code"] == 1
    assert len(list((tmp_path / "out").iterdir())) == 4
    assert [failure["image"] for failure in done.json["failed"]] == ["slide 1.svs"]
    assert "The data file of image 'slide 1.svs'" in done.err


def test_a_file_of_another_image_is_refused_and_the_others_are_imported(
    call: Call, project: Path, tmp_path: Path
) -> None:
    write_geojson([PathObject(box(0, 0, 9, 9))], tmp_path / "IHC slide.geojson")
    write_geojson([PathObject(box(0, 0, 9, 90_000))], tmp_path / "TMA.geojson")
    done = call("import", project, tmp_path / "TMA.geojson", tmp_path / "IHC slide.geojson", "--json")
    assert done.code == 1
    assert [(one["name"], one["added"]) for one in done.json["images"]] == [("IHC slide", 1)]
    assert "outside of image 'TMA', which has 4000 x 3000 px" in done.json["failed"][0]["reason"]
    assert "outside of image 'TMA'" in done.err


def test_replace_takes_what_the_file_says(call: Call, project: Path, tmp_path: Path) -> None:
    path = tmp_path / "x.geojson"
    item = PathObject(box(0, 0, 9, 9), name="a")
    write_geojson([item], path)
    assert call("import", project, path, "--image", "other stains").code == 0
    write_geojson([PathObject(box(0, 0, 9, 9), name="b", uuid=item.uuid)], path)
    done = call("import", project, path, "--image", "other stains")
    assert "0 objects added, 1 left as they are in the project, where they differ from the file" in done.out
    done = call("import", project, path, "--image", "other stains", "--replace")
    assert "0 objects added, 1 replaced" in done.out
    assert [obj.name for obj in objects_of(project)[2]] == ["b"]


@pytest.mark.parametrize("name", ["missing.geojson", "x.geojson"])
def test_what_is_no_geojson_ends_in_a_sentence(name: str, call: Call, project: Path, tmp_path: Path) -> None:
    (tmp_path / "x.geojson").write_text(json.dumps({"type": "Topology"}))
    done = call("import", project, tmp_path / name, "--image", "TMA")
    assert done.code == 1
    assert f"{name} " in done.err
    assert "Traceback" not in done.err


def test_a_file_called_as_no_image_is_wrong_usage(call: Call, project: Path, tmp_path: Path) -> None:
    (tmp_path / "x.geojson").write_text("[]")
    done = call("import", project, tmp_path / "x.geojson")
    assert done.code == 2
    assert "No image is called as the file x.geojson" in done.err
