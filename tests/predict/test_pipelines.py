"""A slide's objects are the same however the work is shared out, and whatever goes wrong beside it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cerberus_annotate.errors import ModelError, SlideError
from cerberus_annotate.network import Model, load_model
from cerberus_annotate.objects.predicted import PredictedObject
from cerberus_annotate.predict import extraction_processes, geometry, predict_slide
from cerberus_annotate.predict.extraction_processes import ExtractionProcesses
from cerberus_annotate.predict.image import ArraySlide
from cerberus_annotate.predict.on_devices import results_on_devices
from cerberus_annotate.predict.slide_work import SlideWork, lay_out
from cerberus_annotate.predict.stream import assemble
from cerberus_annotate.predict.tile_objects import TileObjects
from cerberus_annotate.slide import Region
from cerberus_annotate.slide.demo_slide import demo_picture


@pytest.fixture(scope="module")
def model() -> Model:
    return load_model("cerberus-small")


@pytest.fixture
def slide(monkeypatch: pytest.MonkeyPatch) -> ArraySlide:
    """Four tiles of tissue."""
    monkeypatch.setattr(geometry, "LARGEST_SIDE", 288)
    return ArraySlide(demo_picture()[:520, :560], (0.5, 0.5))


def work_on(slide: ArraySlide, model: Model) -> SlideWork:
    return lay_out(slide, (0.5, 0.5), model, None, torch.float32)


def told(objects: Any) -> list[tuple[str, str, bytes]]:
    """Objects without the identities that are drawn anew each time."""
    return sorted((each.task, each.path_class, each.polygon.normalize().wkb) for each in objects)


def test_two_devices_give_the_objects_of_one(slide: ArraySlide, model: Model) -> None:
    alone = list(predict_slide(slide, (0.5, 0.5), model, precision="fp32"))
    work = work_on(slide, model)
    assert len(work.tiles) == 4
    shared_out = results_on_devices(slide, work, [model.network, model.network], work.tiles, batch=2)
    assert len(alone) > 50
    assert told(assemble(work, shared_out, model.classes)) == told(alone)


class Damaged(ArraySlide):
    """Cannot be decoded right of x = 400."""

    def _read_inside(self, region: Region, level: int) -> np.ndarray:
        if region.x + region.width > 400:
            raise SlideError("The slide array is damaged.")
        return super()._read_inside(region, level)


@pytest.mark.parametrize("on_devices", [False, True])
def test_what_cannot_be_read_is_left_out_and_the_rest_is_done(
    model: Model, monkeypatch: pytest.MonkeyPatch, on_devices: bool
) -> None:
    monkeypatch.setattr(geometry, "LARGEST_SIDE", 144)
    slide = Damaged(demo_picture()[:288, :720], (0.5, 0.5))
    work = work_on(slide, model)
    found = (
        assemble(work, results_on_devices(slide, work, [model.network], work.tiles, 3), model.classes)
        if on_devices
        else predict_slide(slide, (0.5, 0.5), model, precision="fp32")
    )
    assert {(each.y, each.height, each.reason) for each in found.left_out} == {
        (0, 144, "The slide array is damaged."),
        (144, 144, "The slide array is damaged."),
    }
    objects = list(found)
    assert objects
    first = min(each.x for each in found.left_out)
    assert all(each.polygon.bounds[0] < first for each in objects)


@pytest.fixture
def processes() -> ExtractionProcesses:
    return ExtractionProcesses(1)


def _kill(processes: ExtractionProcesses) -> None:
    for process in list(processes._pool._processes.values()):
        os.kill(process.pid, signal.SIGKILL)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
def test_a_process_that_is_killed_loses_no_object(
    slide: ArraySlide, model: Model, processes: ExtractionProcesses, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cerberus_annotate.predict.on_devices.extraction_processes", lambda: processes)
    work = work_on(slide, model)
    whole = told(predict_slide(slide, (0.5, 0.5), model, precision="fp32"))

    def killing() -> Iterator[TileObjects | Any]:
        for at, result in enumerate(results_on_devices(slide, work, [model.network], work.tiles, 1)):
            if at in (0, 2):
                _kill(processes)
            yield result

    assert told(assemble(work, killing(), model.classes)) == whole


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
def test_a_tile_that_kills_every_process_ends_in_a_sentence(
    slide: ArraySlide, model: Model, processes: ExtractionProcesses, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extraction_processes, "extract_tile", _die)
    work = work_on(slide, model)
    tile = work.tiles[0]
    extracting = processes.submit(work.extraction, tile, work.shared(tile), {})
    with pytest.raises(ModelError, match="died 3 times at the tile at 0, 0"):
        processes.result(extracting)


def _die(*_: object) -> PredictedObject:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


ALONE = """
import sys, time
from cerberus_annotate.predict.extraction_processes import ExtractionProcesses
if __name__ == "__main__":
    pool = ExtractionProcesses(1)
    pool._pool.submit(int).result()
    print(*pool._pool._processes, flush=True)
    time.sleep(600)
"""


@pytest.mark.skipif(not Path("/proc").exists(), reason="needs /proc to see whether a process lives")
def test_processes_end_with_a_killed_parent(tmp_path: Path) -> None:
    (tmp_path / "alone.py").write_text(ALONE)
    with subprocess.Popen(
        [sys.executable, tmp_path / "alone.py"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as parent:
        assert parent.stdout is not None
        child = Path("/proc") / parent.stdout.readline().strip()
        assert child.exists()
        parent.kill()
    for _ in range(100):
        if not child.exists() or ") Z " in (child / "stat").read_text():
            return
        time.sleep(0.1)
    pytest.fail("the process outlived its parent by ten seconds")
