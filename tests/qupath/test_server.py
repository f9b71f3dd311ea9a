"""From a server builder to the slide's file, and back."""

import json
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import pytest

from cerberus_annotate.errors import SlideError
from cerberus_annotate.qupath import ServerBuilder, open_project, server_for_slide, slide_location
from cerberus_annotate.qupath.server import BIOFORMATS, IMAGEJ, OPENSLIDE
from cerberus_annotate.qupath.uri import file_name, file_uri, same_uri, uri_path

SAMPLES = Path(__file__).parents[1] / "data" / "qupath-samples"


@dataclass
class Moved:
    """A project that lies at `path` and was saved at `uri`."""

    path: Path
    uri: str


def builder(uri: str, *args: str, provider: str = OPENSLIDE) -> dict[str, Any]:
    return {"builderType": "uri", "providerClassName": provider, "uri": uri, "args": list(args)}


def server(uri: str, *args: str, provider: str = OPENSLIDE) -> ServerBuilder:
    return ServerBuilder.from_json(builder(uri, *args, provider=provider))


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("file:/slides/slide%201.svs", PurePosixPath("/slides/slide 1.svs")),
        ("file:///slides/%C3%BC+%2525.svs", PurePosixPath("/slides/ü+%25.svs")),
        ("file://localhost/slides/a.svs", PurePosixPath("/slides/a.svs")),
        ("FILE:/slides/a.svs", PurePosixPath("/slides/a.svs")),
        ("file:/C:/Slides/a%20b.svs", PureWindowsPath(r"C:\Slides\a b.svs")),
        ("file:///d:/a.svs", PureWindowsPath(r"d:\a.svs")),
        ("file://server/share/a.svs", PureWindowsPath(r"\\server\share\a.svs")),
        ("file:////server/share/a.svs", PureWindowsPath(r"\\server\share\a.svs")),
        (r"C:\Slides\a.svs", PureWindowsPath(r"C:\Slides\a.svs")),
        ("../slides/a%20b.svs", PurePosixPath("../slides/a b.svs")),
        ("https://omero.example.org/?show=image-1", None),
        ("file:/a.svs?x=1", None),
        ("file:/a.svs#series", None),
        ("file:/a%00b.svs", None),
        ("file:", None),
        ("http://[bad", None),
    ],
)
def test_paths_of_uris(uri: str, path: Any) -> None:
    assert uri_path(uri) == path
    assert type(uri_path(uri)) is type(path)


def test_a_slide_is_where_its_uri_says(tmp_path: Path) -> None:
    slide = tmp_path / "a slide é %.svs"
    slide.write_bytes(b"x")
    project = Moved(tmp_path / "p" / "project.qpproj", "")
    for uri in (file_uri(slide), file_uri(slide).replace("file:", "file://")):
        location = slide_location(server(uri), project)
        assert (location.path, location.crop_bounds, location.series) == (slide, True, 0)
        assert location.provider == OPENSLIDE


def test_a_slide_of_a_moved_project_is_found_beside_it(tmp_path: Path) -> None:
    slide = tmp_path / "study" / "slides" / "a.svs"
    slide.parent.mkdir(parents=True)
    slide.write_bytes(b"x")
    here = tmp_path / "study" / "qupath" / "project.qpproj"
    for former, uri in (
        ("file:/home/old/study/qupath/project.qpproj", "file:/home/old/study/slides/a.svs"),
        ("file:/C:/Study/QuPath/project.qpproj", "file:/C:/study/slides/a.svs"),
        ("file://server/share/study/qupath/project.qpproj", "file://server/share/study/slides/a.svs"),
        ("", "../slides/a.svs"),
    ):
        assert slide_location(server(uri), Moved(here, former)).path == slide


def test_a_slide_where_its_uri_says_counts_before_one_beside_the_project(tmp_path: Path) -> None:
    for folder in ("old", "new"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.svs").write_bytes(b"x")
    project = Moved(tmp_path / "new" / "project.qpproj", file_uri(tmp_path / "old" / "project.qpproj"))
    assert slide_location(server(file_uri(tmp_path / "old" / "a.svs")), project).path == tmp_path / "old" / "a.svs"


def test_slides_dirs_are_searched_by_name(tmp_path: Path) -> None:
    project = Moved(tmp_path / "p" / "project.qpproj", "")
    (tmp_path / "s" / "deep").mkdir(parents=True)
    (tmp_path / "s" / "deep" / "a [1].svs").write_bytes(b"x")
    wanted = server("file:/D:/scans/a%20%5B1%5D.svs")
    assert slide_location(wanted, project, slides_dirs=[tmp_path / "s"]).path == tmp_path / "s" / "deep" / "a [1].svs"
    (tmp_path / "s" / "other").mkdir()
    (tmp_path / "s" / "other" / "a [1].svs").write_bytes(b"x")
    with pytest.raises(SlideError, match=r"2 files called 'a \[1\]\.svs'"):
        slide_location(wanted, project, slides_dirs=[tmp_path / "s"])
    (tmp_path / "s" / "a [1].svs").write_bytes(b"x")
    assert slide_location(wanted, project, slides_dirs=[tmp_path / "s"]).path == tmp_path / "s" / "a [1].svs"


def test_slides_dirs_are_searched_for_the_name_in_another_case_at_last(tmp_path: Path) -> None:
    project = Moved(tmp_path / "p" / "project.qpproj", "")
    (tmp_path / "s" / "deep").mkdir(parents=True)
    (tmp_path / "s" / "deep" / "A [1].SVS").write_bytes(b"x")
    wanted = server("file:/D:/scans/a%20%5B1%5D.svs")
    assert slide_location(wanted, project, slides_dirs=[tmp_path / "s"]).path.name == "A [1].SVS"
    (tmp_path / "s" / "a [1].svs").write_bytes(b"x")
    assert slide_location(wanted, project, slides_dirs=[tmp_path / "s"]).path.name == "a [1].svs"


def test_a_missing_slide_is_named_with_the_mend(tmp_path: Path) -> None:
    project = Moved(tmp_path / "project.qpproj", "file:/old/project.qpproj")
    with pytest.raises(SlideError, match=r"'my image' is not at .*slides.a\.svs.*--slides-dir"):
        slide_location(server("file:/slides/a.svs"), project, image_name="my image")
    with pytest.raises(SlideError, match=r"is not at D:\\scans\\a b\.svs"):
        slide_location(server("file:/D:/scans/a%20b.svs"), project)


@pytest.mark.parametrize(
    ("provider", "args", "crop_bounds", "series"),
    [
        (OPENSLIDE, [], True, 0),
        (OPENSLIDE, ["--no-crop"], False, 0),
        (BIOFORMATS, [], False, 0),
        (BIOFORMATS, ["--series", "3"], False, 3),
        (BIOFORMATS, ["--series=2"], False, 2),
        (BIOFORMATS, ["--classname", "x.BioFormatsServerBuilder", "--series", "1"], False, 1),
        (IMAGEJ, [], False, 0),
    ],
)
def test_arguments_are_read_as_qupath_does(
    provider: str, args: list[str], crop_bounds: bool, series: int, tmp_path: Path
) -> None:
    slide = tmp_path / "a.svs"
    slide.write_bytes(b"x")
    location = slide_location(server(file_uri(slide), *args, provider=provider), Moved(tmp_path / "p.qpproj", ""))
    assert (location.crop_bounds, location.series) == (crop_bounds, series)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (server("file:/a.svs", "--series", "one", provider=BIOFORMATS), "series 'one'"),
        (server("file:/a.svs", "--dims", "XYCZT", provider=BIOFORMATS), "--dims"),
        (server("file:/a.svs", "--no-crop", provider=BIOFORMATS), "--no-crop"),
        (server("file:/a.svs", provider="org.example.SecretBuilder"), r"org\.example\.SecretBuilder"),
        (server("https://omero.example.org/1"), "no file on a disk"),
        (ServerBuilder.from_json(None), "unnamed"),
        (ServerBuilder.from_json({"builderType": "pyramidize"}), "unnamed"),
    ],
)
def test_what_cannot_be_mapped_is_refused(wrong: ServerBuilder, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(SlideError, match=sentence):
        slide_location(wrong, Moved(tmp_path / "p.qpproj", ""), image_name="it")


@pytest.mark.parametrize(
    "wrapper",
    [
        *("rotated", "flipped", "cropped", "affine", "sparse", "channels", "color", "color_deconvolved"),
        *("normalized", "typeConvert", "swapRedBlue", "sliced", "z_projected", "z_concatenated", "from_the_future"),
    ],
)
def test_wrapped_servers_are_refused_by_name(wrapper: str, tmp_path: Path) -> None:
    json_of = {"builderType": wrapper, "builder": builder("file:/a.svs")}
    for wrapped in (json_of, {"builderType": "pyramidize", "builder": json_of}):
        with pytest.raises(SlideError, match=f"'it' is served by QuPath's '{wrapper}' server"):
            slide_location(ServerBuilder.from_json(wrapped), Moved(tmp_path / "p.qpproj", ""), image_name="it")


def test_a_pyramid_of_a_file_is_the_file(tmp_path: Path) -> None:
    slide = tmp_path / "a.svs"
    slide.write_bytes(b"x")
    inner = builder(file_uri(slide), "--no-crop") | {"metadata": {"name": "inner", "width": 7}}
    wrapped = ServerBuilder.from_json({"builderType": "pyramidize", "builder": inner})
    assert wrapped.builder_type == "pyramidize"
    assert wrapped.metadata == {"name": "inner", "width": 7}
    location = slide_location(wrapped, Moved(tmp_path / "p.qpproj", ""))
    assert (location.path, location.crop_bounds) == (slide, False)


def test_a_builder_is_written_as_qupath_writes_it() -> None:
    class Level:
        def __init__(self, downsample: float, width: int, height: int) -> None:
            self.downsample, self.width, self.height = downsample, width, height

    entry = json.loads((SAMPLES / "0.6.0/kinds/project.qpproj").read_text(encoding="utf-8"))["images"][0]
    levels = [Level(1, 4000, 3000), Level(4, 1000, 750), Level(16, 250, 187)]
    ours = server_for_slide(
        "/slides/slide 1.svs",
        "slide 1.svs",
        4000,
        3000,
        levels,
        pixel_size=(0.2528, 0.2528),
        magnification=40,
        provider="bioformats",
        tile_size=(512, 512),
    )
    assert json.dumps(ours.json) == json.dumps(entry["serverBuilder"])


def test_uris_of_paths_are_javas() -> None:
    assert file_uri(PureWindowsPath(r"C:\Slides\a b.svs")) == "file:/C:/Slides/a%20b.svs"
    assert file_uri("/slides/ü #1 (2).svs") == "file:/slides/%C3%BC%20%231%20(2).svs"
    assert same_uri("file:///slides/a%20b.svs", "file:/slides/a b.svs")
    assert not same_uri("file:/a.svs", "file:/b.svs")
    assert file_name("file:/C:/Slides/a%20b.svs") == "a b.svs"


def test_servers_of_the_samples(tmp_path: Path) -> None:
    image = open_project(SAMPLES / "0.6.0/kinds").images[0]
    assert image.server.provider == BIOFORMATS
    assert image.server.args == ("--series", "0")
    assert image.server.metadata["magnification"] == 40
    assert (image.width, image.height) == (4000, 3000)
