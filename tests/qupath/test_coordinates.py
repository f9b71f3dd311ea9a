# ruff: noqa: F811  (fixtures that are imported)
"""A square that is known to lie in a slide is found where QuPath shows it, or the image is refused by name.

All of a run is real but the network: in its place dark pixels are glands.
"""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from shapely.geometry import box

from cerberus_annotate.annotate.options import Options
from cerberus_annotate.annotate.run import RunSummary, run
from cerberus_annotate.network import load_model
from cerberus_annotate.predict import lanes, predict_slide
from cerberus_annotate.qupath import PathClass, PathObject, Project, ServerBuilder, create_project, open_project
from cerberus_annotate.qupath.server import BIOFORMATS, OPENSLIDE, server_for_slide
from cerberus_annotate.slide.pyramid import write_pyramid

from ..slide.conftest import leica_slide  # noqa: F401  (a fixture)

WIDTH, HEIGHT = 1000, 800
SQUARE = (320, 240, 440, 360)  # x, y, x2, y2 in px of the picture
GLASS, AT = (3000, 2000), (1000, 500)  # px of the glass, and where the picture lies on it
MakeScn = Callable[[np.ndarray, tuple[int, int], tuple[int, int]], Path]


def picture() -> np.ndarray:
    """Tissue-coloured, with one dark square: uint8 (800, 1000, 3)."""
    pixels = np.full((HEIGHT, WIDTH, 3), (215, 160, 190), np.uint8)
    x, y, x2, y2 = SQUARE
    pixels[y:y2, x:x2] = 20
    return pixels


def dark_is_gland(network: Any, tiles: list[np.ndarray], geometry: Any, *_: Any) -> list[dict[str, np.ndarray]]:
    """As `tile_maps`: dark pixels of the network's grid are the inside of glands."""
    finer = network.config.stem_stride
    around = (geometry.reach - geometry.halo) * finer
    maps = []
    for pixels in tiles:
        inner = pixels[around : pixels.shape[0] - around, around : pixels.shape[1] - around].astype(float).mean(2)
        height, width = inner.shape[0] // finer, inner.shape[1] // finer
        dark = inner.reshape(height, finer, width, finer).mean((1, 3)) < 110
        maps.append({"Gland-INST": np.stack([dark * 255, dark * 0]).astype(np.uint8)})
    return maps


@pytest.fixture
def annotate(monkeypatch: pytest.MonkeyPatch) -> Callable[..., RunSummary]:
    """Runs over a project with the network that sees dark squares."""
    model = load_model("cerberus-small")
    monkeypatch.setattr(lanes, "tile_maps", dark_is_gland)

    def predict(slide: Any, mpp: tuple[float, float], *, tasks: Any, areas: Any, progress: Any) -> Any:
        return predict_slide(slide, mpp, model, tasks=tasks, areas=areas, progress=progress)

    def start(project: Project, **options: Any) -> RunSummary:
        return run(project, model, Options(tasks=("gland",), **{"regions": "whole", **options}), predict)

    return start


def project_of(folder: Path, server: ServerBuilder, **changes: Any) -> Project:
    """A project with one image.  changes: to the server's metadata."""
    project = create_project(folder / "project")
    project.add_image(server, "slide")
    content = json.loads(project.path.read_text(encoding="utf-8"))
    builder = content["images"][0]["serverBuilder"]
    builder["metadata"].update(changes)
    project.path.write_text(json.dumps(content), encoding="utf-8")
    return open_project(project.path)


def wrapped(project: Project, wrapper: dict[str, Any]) -> Project:
    """The project with the image's server inside another one, as QuPath has it."""
    content = json.loads(project.path.read_text(encoding="utf-8"))
    entry = content["images"][0]
    inner = entry["serverBuilder"]
    entry["serverBuilder"] = {**wrapper, "builder": inner, "metadata": inner["metadata"]}
    project.path.write_text(json.dumps(content), encoding="utf-8")
    return open_project(project.path)


def plain_slide(folder: Path, mpp: float | None = 0.5) -> ServerBuilder:
    path = folder / "slide.tif"
    write_pyramid(path, picture(), mpp)
    return server_for_slide(path, "slide.tif", WIDTH, HEIGHT, pixel_size=None if mpp is None else (mpp, mpp))


def bounded_slide(leica_slide: MakeScn, *args: str, provider: str = OPENSLIDE, cropped: bool = True) -> ServerBuilder:
    """A slide whose picture is a part of the glass, as MIRAX slides have it; sizes as QuPath would know them."""
    path = leica_slide(picture(), GLASS, AT)
    size = (WIDTH, HEIGHT) if cropped else GLASS
    server = server_for_slide(path, "slide.scn", *size, pixel_size=(0.5, 0.5), provider=provider)
    return dataclasses.replace(server, args=args, json={**server.json, "args": list(args)})


def found(project: Project) -> PathObject:
    (item,) = (item for item in open_project(project.path).images[0].read_objects() if item.kind == "annotation")
    return item


def assert_square(item: PathObject, at: tuple[int, int] = (0, 0), mpp: tuple[float, float] = (0.5, 0.5)) -> None:
    """The known square, moved by `at` (px), to within one pixel of the network's grid.

    Glands are grown by the reference's ellipse of 10 px, which reaches 4 px up and left and 5 px down and right.
    """
    grid = np.array([0.5 / side for side in mpp] * 2)
    expected = np.array(SQUARE) + np.array(at * 2) + np.array([-4, -4, 5, 5]) * grid
    assert (np.abs(item.roi.bounds - expected) <= grid + 0.01).all(), (item.roi.bounds, expected)
    square = box(*expected)
    assert item.roi.intersection(square).area > 0.95 * item.roi.union(square).area
    assert item.plane == (-1, 0, 0)


def refusal(summary: RunSummary, project: Project) -> str:
    """Why the image was left alone; nothing was written to it."""
    assert summary.exit_code == 1
    assert open_project(project.path).images[0].read_objects() == []
    return summary.images["1"].reason


def test_a_plain_slide(tmp_path: Path, annotate: Callable[..., RunSummary]) -> None:
    project = project_of(tmp_path, plain_slide(tmp_path))
    assert annotate(project).exit_code == 0
    assert_square(found(project))


def test_a_slide_that_is_cropped_to_its_bounds(
    leica_slide: MakeScn, tmp_path: Path, annotate: Callable[..., RunSummary]
) -> None:
    """QuPath's level 0 begins where the bounds do."""
    project = project_of(tmp_path, bounded_slide(leica_slide))
    assert annotate(project).exit_code == 0
    assert_square(found(project))


def test_a_region_drawn_in_a_cropped_slide_is_where_it_was_drawn(
    leica_slide: MakeScn, tmp_path: Path, annotate: Callable[..., RunSummary]
) -> None:
    """Regions and objects live in one frame: the square is found inside the first region, and nothing in the second."""
    project = project_of(tmp_path, bounded_slide(leica_slide))
    (image,) = project.images
    on_it = PathObject(box(300, 200, 500, 400), roi_kind="Rectangle", path_class=PathClass.of("Region*"))
    beside = PathObject(box(600, 400, 900, 700), roi_kind="Rectangle", path_class=PathClass.of("Region*"))
    with project.edit(image) as edit:
        edit.add([on_it, beside])
    assert annotate(project, regions="auto").exit_code == 0
    (gland,) = (item for item in open_project(project.path).images[0].read_objects() if str(item.path_class) == "Gland")
    assert_square(gland)
    assert gland.parent == on_it.uuid


def test_a_slide_that_is_not_cropped(leica_slide: MakeScn, tmp_path: Path, annotate: Callable[..., RunSummary]) -> None:
    """With --no-crop QuPath's level 0 is the whole glass."""
    project = project_of(tmp_path, bounded_slide(leica_slide, "--no-crop", cropped=False))
    assert annotate(project).exit_code == 0
    assert_square(found(project), AT)


@pytest.mark.parametrize(
    ("args", "provider", "cropped"), [(("--no-crop",), OPENSLIDE, True), ((), OPENSLIDE, False), ((), BIOFORMATS, True)]
)
def test_a_size_that_contradicts_the_cropping_is_refused(
    args: tuple[str, ...],
    provider: str,
    cropped: bool,
    leica_slide: MakeScn,
    tmp_path: Path,
    annotate: Callable[..., RunSummary],
) -> None:
    project = project_of(tmp_path, bounded_slide(leica_slide, *args, provider=provider, cropped=cropped))
    assert "coordinates would be wrong" in refusal(annotate(project), project)


def without_metadata(project: Project) -> Project:
    """The project as it is before QuPath opened the image."""
    content = json.loads(project.path.read_text(encoding="utf-8"))
    del content["images"][0]["serverBuilder"]["metadata"]
    project.path.write_text(json.dumps(content), encoding="utf-8")
    return open_project(project.path)


def test_bounds_of_which_nobody_says_whether_they_count_are_refused(
    leica_slide: MakeScn, tmp_path: Path, annotate: Callable[..., RunSummary]
) -> None:
    """Bio-Formats shows parts of such files as images of their own; the size in the project would tell them apart."""
    project = without_metadata(project_of(tmp_path, bounded_slide(leica_slide, provider=BIOFORMATS)))
    assert "Open it once in QuPath" in refusal(annotate(project), project)


def test_an_image_that_qupath_never_opened(
    leica_slide: MakeScn, tmp_path: Path, annotate: Callable[..., RunSummary]
) -> None:
    """Without metadata in the project size and pixel size are the file's."""
    project = without_metadata(project_of(tmp_path, bounded_slide(leica_slide)))
    assert project.images[0].width is None
    assert annotate(project).exit_code == 0
    assert_square(found(project))


@pytest.mark.parametrize("rotation", ["ROTATE_90", "ROTATE_180", "ROTATE_270"])
def test_a_rotated_server_is_refused(rotation: str, tmp_path: Path, annotate: Callable[..., RunSummary]) -> None:
    project = wrapped(project_of(tmp_path, plain_slide(tmp_path)), {"builderType": "rotated", "rotation": rotation})
    assert "'rotated' server, which turns the image" in refusal(annotate(project), project)


def test_a_cropped_server_is_refused(tmp_path: Path, annotate: Callable[..., RunSummary]) -> None:
    region = {"x": 100, "y": 100, "width": 500, "height": 500, "z": 0, "t": 0}
    project = wrapped(project_of(tmp_path, plain_slide(tmp_path)), {"builderType": "cropped", "region": region})
    assert "'cropped' server, which shows a part of the image" in refusal(annotate(project), project)


def test_a_pyramid_made_by_qupath_is_the_file(tmp_path: Path, annotate: Callable[..., RunSummary]) -> None:
    project = wrapped(project_of(tmp_path, plain_slide(tmp_path)), {"builderType": "pyramidize"})
    assert annotate(project).exit_code == 0
    assert_square(found(project))


@pytest.mark.parametrize(
    ("sizes", "said"),
    [({"sizeZ": 5}, "5 focal planes"), ({"sizeT": 3}, "3 time points"), ({"sizeZ": 2, "sizeT": 3}, "2 focal planes")],
)
def test_a_stack_of_planes_is_refused(
    sizes: dict[str, int], said: str, tmp_path: Path, annotate: Callable[..., RunSummary]
) -> None:
    """Which plane the file's reader shows is not said anywhere, so an object could land on another one."""
    project = project_of(tmp_path, plain_slide(tmp_path), **sizes)
    reason = refusal(annotate(project), project)
    assert said in reason
    assert "'slide'" in reason


def calibration(x: float, y: float) -> dict[str, Any]:
    lengths = {"pixelWidth": {"value": x, "unit": "µm"}, "pixelHeight": {"value": y, "unit": "µm"}}
    return {"pixelCalibration": {**lengths, "timeUnit": "SECONDS", "timepoints": []}}


@pytest.mark.parametrize("size", [(0.25, 0.25), (1.0, 1.0), (0.37, 0.37)])
def test_a_pixel_size_set_in_the_project_counts(
    size: tuple[float, float], tmp_path: Path, annotate: Callable[..., RunSummary]
) -> None:
    """The file says 0.5; the place in px stays, what is measured follows the project."""
    project = project_of(tmp_path, plain_slide(tmp_path), **calibration(*size))
    assert annotate(project).exit_code == 0
    item = found(project)
    assert_square(item, mpp=size)
    assert item.measurements["Area µm²"] == pytest.approx(item.roi.area * size[0] * size[1])


@pytest.mark.parametrize("size", [(0.5, 0.25), (0.25, 0.5), (0.3, 0.45)])
def test_pixels_that_are_not_square(
    size: tuple[float, float], tmp_path: Path, annotate: Callable[..., RunSummary]
) -> None:
    project = project_of(tmp_path, plain_slide(tmp_path), **calibration(*size))
    assert annotate(project).exit_code == 0
    item = found(project)
    assert_square(item, mpp=size)
    assert item.measurements["Area µm²"] == pytest.approx(item.roi.area * size[0] * size[1])
