"""Objects of an image, whatever the tiles it is cut into; with the bundled model on real tissue."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import shapely
import torch
from PIL import Image

from cerberus_annotate.errors import ModelError, UsageError
from cerberus_annotate.network import Model, fold_norms, load_model, official
from cerberus_annotate.network.cerberus import Cerberus
from cerberus_annotate.network.config import lean_config, official_config
from cerberus_annotate.objects import PredictedObject
from cerberus_annotate.predict import geometry, inference, on_devices, predict_image, predict_slide
from cerberus_annotate.predict.image import ArraySlide
from cerberus_annotate.slide.demo_slide import demo_picture


@pytest.fixture(scope="module")
def model() -> Model:
    return load_model("cerberus-small")


@pytest.fixture(scope="module")
def tissue(shared: Path) -> np.ndarray:
    """Colon with glands and nuclei, 0.62 µm/px."""
    return np.asarray(Image.open(shared / "data/glas/images/testA_1.jpg").convert("RGB"))


@contextmanager
def tiles_of(side: int) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(geometry, "LARGEST_SIDE", side)
        yield


def matched(one: list[PredictedObject], other: list[PredictedObject]) -> float:
    """The share of objects of `one` with a partner of the same class at IoU 0.9 or more in `other`."""
    polygons = np.array([o.polygon for o in other])
    tree = shapely.STRtree(polygons)
    hits = 0
    for found in one:
        near = tree.query(found.polygon, predicate="intersects")
        iou = [
            found.polygon.intersection(polygons[i]).area / found.polygon.union(polygons[i]).area
            for i in near
            if other[i].task == found.task
        ]
        hits += sum(value >= 0.9 for value in iou) == 1
    return hits / len(one)


def test_tile_size_changes_no_object(model: Model, tissue: np.ndarray) -> None:
    found = {}
    for side in (2016, 288):
        with tiles_of(side):
            found[side] = predict_image(tissue, 0.62, model, precision="fp32")
    assert len(found[2016]) > 300
    assert {o.task for o in found[2016]} == {"nuclei", "gland", "lumen"}
    assert matched(found[2016], found[288]) >= 0.995
    assert matched(found[288], found[2016]) >= 0.995


def test_polygons_are_clean_and_inside_the_image(model: Model, tissue: np.ndarray) -> None:
    height, width = tissue.shape[:2]
    for found in predict_image(tissue, 0.62, model):
        assert found.polygon.is_valid
        assert not found.polygon.is_empty
        left, top, right, bottom = found.polygon.bounds
        assert left >= -0.5
        assert top >= -0.5
        assert right <= width + 1
        assert bottom <= height + 1
        assert 0 <= found.confidence <= 1
        assert found.measurements["Area µm²"] == pytest.approx(found.polygon.area * 0.62**2, rel=1e-3)


def test_pixel_size_sets_the_scale_of_what_is_found(model: Model) -> None:
    """The same tissue given at half the pixel size has its objects at twice the coordinates."""
    rgb = demo_picture()[:256, :256]
    double = np.asarray(Image.fromarray(rgb).resize((512, 512), Image.Resampling.BICUBIC))
    whole = predict_image(rgb, 0.5, model, tasks=["nuclei"], precision="fp32")
    twice = predict_image(double, 0.25, model, tasks=["nuclei"], precision="fp32")
    area = shapely.union_all([o.polygon for o in whole])
    other = shapely.affinity.scale(shapely.union_all([o.polygon for o in twice]), 0.5, 0.5, origin=(0, 0))
    assert area.area > 1000
    assert area.intersection(other).area / area.union(other).area > 0.75


def test_only_wanted_tasks_are_given(model: Model, tissue: np.ndarray) -> None:
    assert {o.task for o in predict_image(tissue[:300, :300], 0.62, model, tasks=["gland"])} <= {"gland"}
    with pytest.raises(UsageError, match="no task 'nucleus'"):
        predict_image(tissue, 0.62, model, tasks=["nucleus"])
    with pytest.raises(UsageError, match="no head for 'tissue'"):
        predict_image(tissue, 0.62, model, tasks=["tissue"])


def test_blank_glass_holds_nothing(model: Model) -> None:
    assert predict_image(np.full((300, 400, 3), 244, np.uint8), 0.5, model) == []


@pytest.mark.parametrize("size", [(1, 1), (7, 90), (17, 3)])
def test_images_smaller_than_a_margin_are_taken(model: Model, size: tuple[int, int]) -> None:
    predict_image(np.full((*size, 3), 200, np.uint8), 0.5, model)


def test_areas_leave_tiles_out(model: Model, tissue: np.ndarray) -> None:
    with tiles_of(144):
        slide = ArraySlide(tissue, (0.5, 0.5))
        found = predict_slide(slide, (0.5, 0.5), model, areas=shapely.box(0, 0, 100, 100), tasks=["nuclei"])
    corner = list(found)
    assert corner
    assert all(o.polygon.centroid.x < 160 and o.polygon.centroid.y < 160 for o in corner)


def test_the_reference_geometry_agrees_with_ours(tissue: np.ndarray) -> None:
    """With the official configuration's margin of 200 px the 448 px patches of the public code add nothing."""
    torch.manual_seed(1)
    network = official()
    network.eval()
    folded = fold_norms(network)
    rgb = np.pad(tissue[:144, :144], ((200, 200), (200, 200), (0, 0)), mode="reflect")
    outputs = ["Nuclei-INST", "Gland-TYPE", "Patch-Class"]
    ours = inference.tile_maps(folded, [rgb], inference.Geometry(144, 0, 200), outputs, torch.float32)[0]
    patch = rgb[48:-48, 48:-48]
    theirs = inference.tile_maps(
        folded, [patch], inference.Geometry(144, 0, 152, reference=True), outputs, torch.float32
    )[0]
    for name in outputs:
        assert ours[name].shape == theirs[name].shape
    assert np.abs(ours["Nuclei-INST"].astype(int) - theirs["Nuclei-INST"]).max() <= 2
    assert (ours["Gland-TYPE"] == theirs["Gland-TYPE"]).mean() >= 0.999


def test_official_tiles_keep_the_references_phase() -> None:
    tiling = geometry.choose_geometry(official_config(), (5000, 4000), True, torch.float32, "cpu")
    assert tiling.reach % 16 == 8
    assert tiling.side % 144 == 0


class MemoryHog(Cerberus):
    """Runs out of memory for more than one tile, or always."""

    def __init__(self, limit: int) -> None:
        super().__init__(lean_config())
        self.limit = limit

    def forward(self, x: torch.Tensor, *args: object, **kwargs: object) -> dict[str, torch.Tensor]:
        if len(x) > self.limit:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return super().forward(x, *args, **kwargs)


def test_running_out_of_gpu_memory_halves_the_batch(tissue: np.ndarray) -> None:
    doubled = np.tile(tissue, (2, 2, 1))
    tiles = [np.ascontiguousarray(doubled[i : i + 704, i : i + 704]) for i in range(5)]
    tiling = inference.Geometry(144, 0, 104)
    network = MemoryHog(1).eval()
    work = SimpleNamespace(geometry=tiling, outputs=["Nuclei-INST"], dtype=torch.float32)
    maps = on_devices._maps_of(network, tiles, work)
    for tile, found in zip(tiles, maps, strict=True):
        alone = inference.tile_maps(network, [tile], tiling, ["Nuclei-INST"], torch.float32)[0]
        assert np.array_equal(found["Nuclei-INST"], alone["Nuclei-INST"])
    with pytest.raises(ModelError, match="single tile"):
        on_devices._maps_of(MemoryHog(0).eval(), tiles, work)
