"""Runs the command line in this process; the network is a stub, the rest is real."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from shapely.geometry import box

from cerberus_annotate.cli import main
from cerberus_annotate.objects.predicted import ObjectList, PredictedObject
from cerberus_annotate.slide.pyramid import write_pyramid


@dataclass(frozen=True)
class Result:
    """What a command left: exit code, stdout, stderr."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass
class StubModel:
    """A model without a network."""

    name: str = "stub"
    sha256: str = "0" * 64
    tasks: tuple[str, ...] = ("nuclei", "gland")
    mpp: float = 0.5
    margin: int = 104
    device: str = "cpu"
    classes: dict[str, tuple[str, ...]] = field(default_factory=dict)


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Callable[..., Result]:
    """Calls `cerberus-annotate` with arguments."""

    def run(*arguments: object) -> Result:
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Result(ended.value.code, captured.out, captured.err)

    return run


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Replaces the network; tells what it was asked for, and fails for slides named in `fail_at`."""
    asked: dict[str, Any] = {"fail_at": ()}

    def load(model_name: str | None, device: str, precision: str, batch_size: int | None, geometry: str) -> Any:
        asked.update(model=model_name, device=device, precision=precision, batch_size=batch_size, geometry=geometry)

        def predict(slide: Any, mpp: Any, *, tasks: Any, areas: Any, progress: Any) -> ObjectList:
            asked.update(mpp=mpp, tasks=tasks)
            if slide.path.name in asked["fail_at"]:
                raise asked["fail_at"][slide.path.name]
            progress(1, 1, 2)
            found = [
                PredictedObject("nuclei", "Nucleus: Epithelial", box(100, 100, 110, 112), 0.9),
                PredictedObject("gland", "Gland", box(90, 90, 190, 190), 0.8),
            ]
            return ObjectList([obj for obj in found if obj.task in tasks])

        return StubModel(), predict

    monkeypatch.setattr("cerberus_annotate.cli.predictor.load_predictor", load)
    monkeypatch.setattr("cerberus_annotate.cli.predictor.load_expectation", lambda *_: lambda *_, **__: (1, 2.0))
    return asked


@pytest.fixture
def slide(tmp_path: Path) -> Path:
    """A small slide: tissue on glass."""
    return write_slide(tmp_path / "one.tif")


def write_slide(path: Path, mpp: float | None = 0.5) -> Path:
    pixels = np.full((300, 300, 3), 243, np.uint8)
    pixels[40:260, 40:260] = (200, 120, 170)
    write_pyramid(path, pixels, mpp)
    return path
