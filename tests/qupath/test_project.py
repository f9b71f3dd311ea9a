"""Projects found, refused, made, and added to."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cerberus_annotate.errors import ProjectError, UsageError
from cerberus_annotate.qupath import PathClass, create_project, open_project, server_for_slide
from cerberus_annotate.qupath.java import read_stream, write_stream
from cerberus_annotate.qupath.native import adding_images, json_text

Copy = Callable[[str], Path]
SAMPLES = Path(__file__).parents[1] / "data" / "qupath-samples"
GOOD = {"version": "0.6.0", "createTimestamp": 1, "modifyTimestamp": 1, "lastID": 0, "images": []}


class Level:
    def __init__(self, downsample: float, width: int, height: int) -> None:
        self.downsample, self.width, self.height = downsample, width, height


def test_a_project_is_the_file_or_its_folder() -> None:
    folder = SAMPLES / "0.6.0/kinds"
    assert open_project(folder).path == open_project(folder / "project.qpproj").path
    assert open_project(str(folder)).name == "kinds"


def test_an_engine_that_is_not_there_is_said() -> None:
    with pytest.raises(UsageError, match="no engine"):
        open_project(SAMPLES / "0.6.0/kinds", engine="java")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "not the JSON"),
        (b"\xff\xfe\x00", "not the JSON"),
        (b"PK\x03\x04", "not the JSON"),
        (b"[" * 100_000, "not the JSON"),
        (b"[1, 2]", "no QuPath project"),
        (json.dumps({"images": []}).encode(), "QuPath 0.1"),
        (json.dumps(GOOD | {"version": "v0.2.0-m1"}).encode(), "test version"),
        (json.dumps(GOOD | {"version": "v0.2.0-m2"}).encode(), "test version"),
        (json.dumps(GOOD | {"createTimestamp": None}).encode(), "createTimestamp"),
        (json.dumps(GOOD | {"modifyTimestamp": "today"}).encode(), "modifyTimestamp"),
        (json.dumps(GOOD | {"images": {}}).encode(), "no list of images"),
        (json.dumps(GOOD | {"images": [{}]}).encode(), "no entryID"),
        (json.dumps(GOOD | {"images": [{"entryID": "../../x"}]}).encode(), "no number"),
    ],
)
def test_what_qupath_could_not_open_is_refused_with_the_reason(tmp_path: Path, content: bytes, sentence: str) -> None:
    path = tmp_path / "project.qpproj"
    path.write_bytes(content)
    with pytest.raises(ProjectError, match=sentence):
        open_project(path)
    assert path.read_bytes() == content


def test_projects_that_are_not_there_are_named(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="There is no file"):
        open_project(tmp_path / "missing.qpproj")
    with pytest.raises(ProjectError, match="no QuPath project"):
        open_project(tmp_path)
    for name in ("a.qpproj", "b.qpproj"):
        (tmp_path / name).write_text(json.dumps(GOOD))
    with pytest.raises(ProjectError, match=r"several.*a\.qpproj, b\.qpproj"):
        open_project(tmp_path)
    assert open_project(tmp_path / "b.qpproj").name == "b"


def test_newer_versions_and_versions_without_name_are_taken(tmp_path: Path) -> None:
    path = tmp_path / "project.qpproj"
    path.write_text(json.dumps(GOOD | {"version": "1.2.0-rc1"}))
    assert open_project(path).version == "1.2.0-rc1"
    path.write_text(json.dumps({key: value for key, value in GOOD.items() if key != "version"}))
    assert open_project(path).version == ""


def test_a_broken_class_list_is_named(sample_copy: Copy) -> None:
    folder = sample_copy("0.6.0/tiny")
    (folder / "classifiers" / "classes.json").write_text("{")
    with pytest.raises(ProjectError, match="class list"):
        _ = open_project(folder).classes


def test_classes_are_appended_and_nothing_else_changes(sample_copy: Copy) -> None:
    folder = sample_copy("0.6.0/kinds")
    path = folder / "classifiers" / "classes.json"
    before = path.read_text(encoding="utf-8")
    project = open_project(folder)
    moment = path.stat().st_mtime_ns
    assert project.add_classes([PathClass.of("Tumor", (1, 1, 1)), PathClass.of("Region*")]) == []
    assert path.stat().st_mtime_ns == moment
    added = project.add_classes([PathClass.of("Nucleus: Epithelial", (255, 0, 0)), PathClass.of("Tumor", (0, 0, 0))])
    assert [str(item) for item in added] == ["Nucleus: Epithelial"]
    entry = ',\n    {\n      "name": "Nucleus: Epithelial",\n      "color": -65536\n    }\n  ]\n}'
    assert path.read_text(encoding="utf-8") == before.removesuffix("\n  ]\n}") + entry
    assert open_project(folder).classes[-1].colour == (255, 0, 0)


def test_a_class_list_is_made_where_there_is_none(sample_copy: Copy) -> None:
    folder = sample_copy("0.6.0/tiny")
    (folder / "classifiers" / "classes.json").unlink()
    project = open_project(folder)
    assert project.classes == []
    project.add_classes([PathClass.of("Gland")])
    assert [str(item) for item in project.classes] == ["Gland"]


def keys_of(value: Any) -> Any:
    """The shape of a JSON value: keys in their order, types of the leaves."""
    if isinstance(value, dict):
        return {key: keys_of(item) for key, item in value.items()}
    if isinstance(value, list):
        return [keys_of(item) for item in value[:1]]
    return type(value).__name__


def files_in(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_a_created_project_has_the_shape_of_one_by_qupath(tmp_path: Path) -> None:
    project = create_project(tmp_path / "new" / "folder")
    server = server_for_slide(tmp_path / "s.svs", "s.svs", 100, 80, [Level(1, 100, 80)])
    image = project.add_image(server, "s.svs", thumbnail=b"\xff\xd8\xff\xd9")
    ours, theirs = tmp_path / "new" / "folder", SAMPLES / "0.6.0/tiny"
    read = [json.loads((folder / "project.qpproj").read_text(encoding="utf-8")) for folder in (ours, theirs)]
    assert keys_of(read[0]) == keys_of(read[1])
    assert list(read[0]) == list(read[1])
    assert list(read[0]["images"][0]) == list(read[1]["images"][0])
    assert json.dumps(read[0]["images"][0]["serverBuilder"]).replace(server.uri, "X") == json.dumps(
        read[1]["images"][0]["serverBuilder"]
    ).replace("file:/slides/s.svs", "X")
    assert files_in(ours) - {"cerberus/lock"} == {
        *files_in(theirs) - {"expected.json"},
        "project.qpproj.backup",
        "data/1/thumbnail.jpg",
    }
    assert (ours / "data/metadata.json").read_text() == (theirs / "data/metadata.json").read_text()
    assert json.loads((ours / "data/1/server.json").read_text()) == read[0]["images"][0]["serverBuilder"]
    summary = json.loads((ours / "data/1/summary.json").read_text())
    assert summary["server"] == {"width": 100, "height": 80, "sizeC": 3, "sizeZ": 1, "sizeT": 1}
    assert summary["hierarchy"]["objectTypeCounts"] == {"Root objects": 1}
    streams = [read_stream((folder / "data/1/data.qpdata").read_bytes()) for folder in (ours, theirs)]
    assert (
        [type(item).__name__ for item in streams[0].contents if item]
        == [
            *(type(item).__name__ for item in streams[1].contents[:4]),
            "JavaObject",  # stains: QuPath's sample has an unset type
            *(type(item).__name__ for item in streams[1].contents[5:]),
        ]
    )
    assert image.is_new
    assert image.image_type == "BRIGHTFIELD_H_E"
    assert image.stains.name == "H&E default"
    assert image.read_objects() == []
    assert (image.width, image.height, image.pixel_size) == (100, 80, None)
    assert [str(item) for item in project.classes] == [
        *("Tumor", "Stroma", "Immune cells", "Necrosis", "Other", "Region*", "Ignore*", "Positive", "Negative")
    ]


def test_creating_opens_what_is_there(sample_copy: Copy, tmp_path: Path) -> None:
    folder = sample_copy("0.6.0/kinds")
    before = (folder / "project.qpproj").read_bytes()
    assert len(create_project(folder).images) == 5
    assert len(create_project(folder / "project.qpproj").images) == 5
    assert (folder / "project.qpproj").read_bytes() == before
    (tmp_path / "slide.svs").write_bytes(b"")
    with pytest.raises(ProjectError, match="is a file"):
        create_project(tmp_path / "slide.svs")


def test_an_added_image_leaves_the_rest_of_the_project_untouched(sample_copy: Copy, tmp_path: Path) -> None:
    folder = sample_copy("0.7.0/kinds")
    path = folder / "project.qpproj"
    # What other tools and later versions may have put there.
    later = '"later": [\n    1.50,\n    1E+2,\n    NaN,\n    -0,\n    12345678901234567890123\n  ],'
    text = path.read_text(encoding="utf-8").replace('"lastID": 5,', f'"lastID": 5,\n  {later}')
    path.write_text(text, encoding="utf-8")
    before = path.read_bytes()
    project = open_project(folder)
    server = server_for_slide(tmp_path / "a b&ü.svs", "a b&ü.svs", 10, 10, pixel_size=(0.25, 0.5), magnification=40)
    image = project.add_image(server, "name <&>", metadata={"k": "v"})
    assert (image.id, image.name, image.metadata) == ("6", "name <&>", {"k": "v"})
    assert image.pixel_size == (0.25, 0.5)
    after = path.read_text(encoding="utf-8")
    start, end = text.index('"lastID": 5'), text.rindex("\n  ]\n}")
    assert after[after.index('"lastID": 6') + 11 :].startswith(text[start + 11 : end])
    assert '"imageName": "name \\u003c\\u0026\\u003e"' in after
    assert "a%20b&%C3%BC.svs" in image.server.uri
    assert (folder / "project.qpproj.backup").read_bytes() == before
    assert [item.id for item in open_project(folder).images] == ["1", "2", "3", "4", "5", "6"]


def test_a_slide_is_not_added_twice(sample_copy: Copy, tmp_path: Path) -> None:
    project = create_project(tmp_path / "p")
    slide = tmp_path / "slide one.svs"
    first = project.add_image(server_for_slide(slide, "one", 10, 10), "one")
    again = project.add_image(server_for_slide(slide, "one", 10, 10), "another name")
    assert (first.is_new, again.is_new, again.id, len(project.images)) == (True, False, first.id, 1)
    other = project.add_image(server_for_slide(slide, "one", 10, 10, provider="bioformats", series=1), "series 1")
    assert (other.is_new, other.id) == (True, "2")
    kinds = open_project(sample_copy("0.6.0/kinds"))
    server = server_for_slide("/slides/slide 1.svs", "x", 10, 10, provider="bioformats")
    assert kinds.add_image(server, "x").id == "1"


@pytest.mark.parametrize("name", ["0.2.3/kinds", "0.3.2/kinds", "0.5.1/kinds"])
def test_an_image_added_to_an_older_project_has_that_versions_form(
    name: str, sample_copy: Copy, tmp_path: Path
) -> None:
    folder = sample_copy(name)
    project = open_project(folder)
    image = project.add_image(server_for_slide(tmp_path / "s.svs", "s.svs", 10, 10), "s.svs")
    entry = json.loads(project.path.read_text(encoding="utf-8"))["images"][-1]
    assert "tags" not in entry
    assert entry["metadata"] == {}
    ours, theirs = (read_stream((folder / "data" / number / "data.qpdata").read_bytes()) for number in (image.id, "1"))
    assert ours.contents[0].data == theirs.contents[0].data
    assert ours.contents[1].text[:12] == theirs.contents[1].text[:12]
    assert (image.image_type, image.read_objects()) == ("BRIGHTFIELD_H_E", [])


def test_a_failed_addition_leaves_the_project_as_it_was(sample_copy: Copy, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = sample_copy("0.6.0/tiny")
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    write = adding_images.replace_file

    def fail(path: Path, content: bytes) -> None:
        if path.name == "summary.json":
            raise OSError(28, "No space left on device")
        write(path, content)

    monkeypatch.setattr(adding_images, "replace_file", fail)
    with pytest.raises(ProjectError, match="No space left"):
        open_project(folder).add_image(server_for_slide("/x.svs", "x", 10, 10), "x")
    (folder / "cerberus" / "lock").unlink(missing_ok=True)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_the_folder_of_a_removed_entry_is_not_taken_over(sample_copy: Copy) -> None:
    folder = sample_copy("0.6.0/tiny")
    (folder / "data" / "2").mkdir()
    assert open_project(folder).add_image(server_for_slide("/x.svs", "x", 10, 10), "x").id == "3"


def test_an_image_that_qupath_added_since_the_opening_is_kept(sample_copy: Copy) -> None:
    folder = sample_copy("0.6.0/tiny")
    ours, theirs = open_project(folder), open_project(folder)
    theirs.add_image(server_for_slide("/x.svs", "x", 10, 10), "x")
    assert ours.add_image(server_for_slide("/y.svs", "y", 10, 10), "y").id == "3"
    assert [image.name for image in open_project(folder).images] == ["s.svs", "x", "y"]


def test_every_json_file_of_the_samples_is_written_back_as_it_was() -> None:
    files = [path for path in SAMPLES.rglob("*") if path.suffix in (".qpproj", ".json")]
    files = [path for path in files if path.name != "expected.json"]
    assert len(files) > 30
    for path in files:
        text = path.read_text(encoding="utf-8")
        value = json_text.parse(text)
        assert text in (json_text.dump(value), json_text.dump(value, indent=None)), path


def test_data_files_are_written_back_byte_for_byte() -> None:
    for path in SAMPLES.rglob("*.qpdata"):
        data = path.read_bytes()
        assert write_stream(read_stream(data)) == data


def test_importing_loads_no_torch() -> None:
    code = "import sys, cerberus_annotate.qupath; print('torch' in sys.modules, 'cv2' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.split() == ["False", "False"]
