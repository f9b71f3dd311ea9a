"""Real projects over small slides, pre-labelled by a stub, corrected as QuPath would leave them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from shapely import affinity
from shapely.geometry import Point, Polygon, box

from cerberus_annotate.annotate.adding import add_slide, describe_slide
from cerberus_annotate.annotate.options import Options
from cerberus_annotate.annotate.run import run
from cerberus_annotate.objects.predicted import ObjectList, PredictedObject
from cerberus_annotate.qupath import PathClass, PathObject, Project, create_project
from cerberus_annotate.slide.pyramid import write_pyramid

SIDE = 1200
STEP = 100


def nucleus(x: float, y: float, radius: float = 12) -> Polygon:
    return affinity.scale(Point(x, y).buffer(radius, quad_segs=6), 1.2, 1)


def places(side: int = SIDE) -> list[tuple[int, int]]:
    return [(x, y) for y in range(STEP // 2, side, STEP) for x in range(STEP // 2, side, STEP)]


@dataclass(frozen=True)
class StubModel:
    name: str = "stub"
    sha256: str = "0" * 64
    tasks: tuple[str, ...] = ("nuclei", "gland", "lumen")


def predict(
    slide: Any, mpp: tuple[float, float], *, tasks: Sequence[str], areas: Any, progress: Callable[..., None]
) -> ObjectList:
    found = [PredictedObject("nuclei", "Nucleus: Epithelial", nucleus(x, y), 0.9) for x, y in places()]
    gland = PredictedObject("gland", "Gland", box(420, 420, 780, 780), 0.9)
    lumen = PredictedObject("lumen", "Lumen", box(570, 570, 630, 630), 0.8, parent=gland.uuid)
    return ObjectList([one for one in (*found, gland, lumen) if one.task in tasks])


def picture(side: int = SIDE) -> np.ndarray:
    """Pink tissue with a violet nucleus at each place: uint8 (side, side, 3)."""
    pixels = np.full((side, side, 3), (225, 170, 200), np.uint8)
    y, x = np.mgrid[:STEP, :STEP] - STEP / 2 + 0.5
    dark = (x / 1.2) ** 2 + y**2 < 12**2
    pixels[np.tile(dark, (side // STEP, side // STEP))] = (90, 50, 140)
    return pixels


@pytest.fixture
def make_project(tmp_path: Path) -> Callable[..., Project]:
    """A project of slides with the given names, 0.25 µm/px unless said otherwise."""

    def make(*names: str, mpp: float | None = 0.25, folder: str = "project") -> Project:
        project = create_project(tmp_path / folder)
        for name in names or ("one.tif",):
            if not (tmp_path / name).is_file():
                write_pyramid(tmp_path / name, picture(), mpp)
            add_slide(project, describe_slide(tmp_path / name))
        return project

    return make


@pytest.fixture
def prelabelled(make_project: Callable[..., Project]) -> Callable[..., Project]:
    """The same, after a run."""

    def make(*names: str, model: StubModel = StubModel(), **options: Any) -> Project:
        project = make_project(*names, **options)
        summary = run(project, model, Options(regions="whole"), predict)
        assert summary.exit_code == 0
        return project

    return make


def drawn(roi: Any, path_class: str | None, **values: Any) -> PathObject:
    return PathObject(
        roi=roi,
        roi_kind="Polygon",
        path_class=None if path_class is None else PathClass.of(path_class, (9, 9, 9)),
        **values,
    )


def edit(project: Project, *added: PathObject, index: int = 0, change: Callable[..., None] | None = None) -> None:
    """Adds objects to an image, and lets `change` edit it."""
    image = project.images[index]
    objects = image.read_objects()
    with project.edit(image) as open_edit:
        open_edit.add(added)
        if change is not None:
            change(open_edit, objects)


def mark_reviewed(
    project: Project, x: float, y: float, width: float, height: float, index: int = 0, **values: Any
) -> None:
    edit(project, drawn(box(x, y, x + width, y + height), "Reviewed", **values), index=index)


@pytest.fixture
def tools() -> Any:
    """The functions of this file (tests are no package)."""
    from types import SimpleNamespace

    return SimpleNamespace(
        nucleus=nucleus,
        places=places,
        drawn=drawn,
        edit=edit,
        mark_reviewed=mark_reviewed,
        StubModel=StubModel,
        predict=predict,
        SIDE=SIDE,
    )
