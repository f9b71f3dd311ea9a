"""What a dry run tells of tiles and time."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from shapely.geometry import box

from cerberus_annotate.network import Model
from cerberus_annotate.network.cerberus import Cerberus
from cerberus_annotate.network.config import NetworkConfig, lean_config, official_config
from cerberus_annotate.predict import geometry, predict_slide
from cerberus_annotate.predict.expectation import Speed, expected_work, measure_speed
from cerberus_annotate.slide import Slide, open_slide
from cerberus_annotate.slide.pyramid import write_pyramid

SPEED = Speed(1e6, torch.float32)


def untrained(config: NetworkConfig) -> Model:
    return Model(Cerberus(config).eval(), "untrained", "", "cpu")


@pytest.fixture
def slide(tmp_path: Path) -> Iterator[Slide]:
    write_pyramid(tmp_path / "a.tif", np.full((700, 1000, 3), 243, np.uint8), 0.5)
    with open_slide(tmp_path / "a.tif") as opened:
        yield opened


@pytest.mark.parametrize("areas", [None, box(0, 0, 200, 200)])
def test_tiles_are_those_that_a_run_computes(slide: Slide, areas: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(geometry, "LARGEST_SIDE", 288)
    model = untrained(lean_config())
    told: list[int] = []
    predict_slide(
        slide, (0.5, 0.5), model, areas=areas, precision="fp32", progress=lambda done, total, found: told.append(total)
    )
    tiles, _ = expected_work(slide, (0.5, 0.5), model, SPEED, tasks=model.tasks, areas=areas)
    assert tiles == told[0]


def test_more_work_takes_longer(slide: Slide) -> None:
    model = untrained(lean_config())
    _, whole = expected_work(slide, (0.5, 0.5), model, SPEED, tasks=model.tasks)
    _, part = expected_work(slide, (0.5, 0.5), model, SPEED, tasks=model.tasks, areas=box(0, 0, 100, 100))
    _, reference = expected_work(slide, (0.5, 0.5), model, SPEED, tasks=model.tasks, geometry="reference")
    _, slower = expected_work(slide, (0.5, 0.5), model, Speed(5e5, torch.float32), tasks=model.tasks)
    assert part < whole < slower
    assert reference > whole


def test_the_official_network_is_slower_than_the_bundled_one() -> None:
    # by a factor of about 50, so that other work on the machine does not matter
    lean, official = (measure_speed(untrained(config()), "fp32").pixels for config in (lean_config, official_config))
    assert lean > 2 * official > 0
