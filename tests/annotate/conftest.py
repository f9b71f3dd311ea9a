"""A real project over real (small) slides, and a predictor that needs no network."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from shapely import affinity
from shapely.geometry import Point, Polygon, box

from cerberus_annotate.annotate.adding import add_slide, describe_slide
from cerberus_annotate.objects.predicted import ObjectList, PredictedObject
from cerberus_annotate.qupath import Project, create_project
from cerberus_annotate.slide.pyramid import write_pyramid

SIDE = 600
MPP = 0.5


@dataclass(frozen=True)
class StubModel:
    """What a run notes of a model."""

    name: str = "stub"
    sha256: str = "0" * 64
    tasks: tuple[str, ...] = ("nuclei", "gland", "lumen")
    mpp: float = 0.5
    margin: int = 104
    device: str = "cpu"


@dataclass
class StubPredictor:
    """Finds the same things in every slide: nuclei on a grid, one gland with a lumen.  shift: px, another model."""

    shift: float = 0.0
    fail_at: set[str] = field(default_factory=set)
    calls: list[dict[str, Any]] = field(default_factory=list)

    def __call__(
        self,
        slide: Any,
        mpp: tuple[float, float],
        *,
        tasks: Sequence[str],
        areas: Any,
        progress: Callable[[int, int, int], None],
    ) -> ObjectList:
        self.calls.append({"slide": slide.path.name, "mpp": mpp, "tasks": tuple(tasks), "areas": areas})
        if slide.path.name in self.fail_at:
            raise RuntimeError("the network fell over")
        found = [
            PredictedObject("nuclei", "Nucleus: Epithelial", nucleus(x + self.shift, y), 0.5 + x / 2000)
            for x in range(50, SIDE, 100)
            for y in range(50, SIDE, 100)
        ]
        gland = PredictedObject("gland", "Gland", box(200, 200, 320, 320), 0.9)
        lumen = PredictedObject("lumen", "Lumen", box(240, 240, 280, 280), 0.8, parent=gland.uuid)
        progress(1, 1, len(found) + 2)
        return ObjectList([obj for obj in (*found, gland, lumen) if obj.task in tasks])


def nucleus(x: float, y: float) -> Polygon:
    return affinity.scale(Point(x, y).buffer(8, quad_segs=4), 1.25, 1)


def picture(side: int = SIDE) -> np.ndarray:
    """A pink square of tissue on glass: uint8 (side, side, 3)."""
    pixels = np.full((side, side, 3), 243, np.uint8)
    pixels[side // 8 : -side // 8, side // 8 : -side // 8] = (200, 120, 170)
    return pixels


@pytest.fixture
def make_project(tmp_path: Path) -> Callable[..., Project]:
    """Makes a project of slides with the given names."""

    def make(*names: str, mpp: float | None = MPP) -> Project:
        project = create_project(tmp_path / "project")
        for name in names or ("one.tif",):
            write_pyramid(tmp_path / name, picture(), mpp)
            add_slide(project, describe_slide(tmp_path / name))
        return project

    return make


@pytest.fixture
def model() -> StubModel:
    return StubModel()


@pytest.fixture
def predict() -> StubPredictor:
    return StubPredictor()
