"""A run that predicts several images at once: what stands in the project, who is told what, and how it is cut off."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from cerberus_annotate.annotate import one_image
from cerberus_annotate.annotate.options import Options
from cerberus_annotate.annotate.run import Silent, run
from cerberus_annotate.errors import ClusterError, SlideError
from cerberus_annotate.feedback.runs import ImageRecord, read_runs
from cerberus_annotate.qupath import Project, open_project

from .conftest import StubModel, StubPredictor

MakeProject = Callable[..., Project]
WHOLE = Options(regions="whole")
NAMES = ("a.tif", "b.tif", "c.tif", "d.tif", "e.tif")
TOGETHER = 3


@dataclass
class Engine:
    """Predicts three images at once: none of the first three ends before all have begun. errors: slide → raised."""

    errors: dict[str, BaseException] = field(default_factory=dict)
    images: int = TOGETHER
    stopped: threading.Event = field(default_factory=threading.Event)
    together: threading.Barrier = field(default_factory=lambda: threading.Barrier(TOGETHER))
    at_once: list[int] = field(default_factory=list)
    running: int = 0
    stub: StubPredictor = field(default_factory=StubPredictor)

    def wants_image(self) -> bool:
        return True

    def stop(self) -> None:
        self.stopped.set()

    def __call__(self, slide: Any, mpp: Any, **how: Any) -> Any:
        self.running += 1
        self.at_once.append(self.running)
        try:
            if len(self.at_once) <= TOGETHER:
                self.together.wait(20)
            if slide.path.name in self.errors:
                raise self.errors[slide.path.name]
            if self.errors and slide.path.name != NAMES[0]:
                assert self.stopped.wait(20)
                raise RuntimeError("stopped")
            return self.stub(slide, mpp, **how)
        finally:
            self.running -= 1


@dataclass
class Told(Silent):
    """Writes down what it is told; raises `error` when the first image has ended."""

    error: BaseException | None = None
    lines: list[tuple[Any, ...]] = field(default_factory=list)

    def image_started(self, name: str, number: int, total: int) -> None:
        self.lines.append(("started", name, number, total))

    def image_finished(self, record: ImageRecord) -> None:
        self.lines.append(("finished", record.name))
        if self.error is not None:
            raise self.error


def classes(project: Project) -> list[Counter[str]]:
    return [Counter(str(obj.path_class) for obj in image.read_objects()) for image in open_project(project.path).images]


def test_images_are_predicted_at_once_and_hold_what_a_serial_run_writes(make_project: MakeProject) -> None:
    project = make_project(*NAMES)
    engine = Engine()
    summary = run(project, StubModel(), WHOLE, engine, ahead=engine)
    assert max(engine.at_once) == TOGETHER
    assert [record.name for record in summary.images.values()] == list(NAMES)
    assert {record.status for record in summary.images.values()} == {"done"}
    assert classes(project) == [Counter({"Nucleus: Epithelial": 36, "Gland": 1, "Lumen": 1})] * len(NAMES)
    again = run(project, StubModel(), WHOLE, StubPredictor())
    assert [(record.added, record.removed) for record in again.images.values()] == [(0, 0)] * len(NAMES)


def test_only_one_image_at_a_time_is_outside_of_predict(
    make_project: MakeProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = make_project(*NAMES)
    engine = Engine()
    inside: list[int] = []
    for name in ("find_regions", "predictions_of", "_write"):
        original = getattr(one_image, name)
        monkeypatch.setattr(
            one_image, name, lambda *args, original=original, **how: _counted(inside, original, args, how)
        )
    run(project, StubModel(), WHOLE, engine, ahead=engine)
    assert len(inside) == 3 * len(NAMES)
    assert set(inside) == {1}


_at_work: list[object] = []


def _counted(seen: list[int], function: Any, args: Sequence[Any], how: dict[str, Any]) -> Any:
    _at_work.append(function)
    seen.append(len(_at_work))
    time.sleep(0.01)
    try:
        return function(*args, **how)
    finally:
        _at_work.pop()


def test_one_that_fails_does_not_stop_the_others(make_project: MakeProject) -> None:
    project = make_project(*NAMES)
    engine = Engine()
    engine.stub.fail_at = {"b.tif"}
    summary = run(project, StubModel(), WHOLE, engine, ahead=engine)
    assert [record.status for record in summary.images.values()] == ["done", "failed", "done", "done", "done"]
    assert "the network fell over" in list(summary.images.values())[1].reason


def test_people_are_told_of_one_image_at_a_time_in_order(make_project: MakeProject) -> None:
    told = Told()
    engine = Engine()
    run(make_project(*NAMES), StubModel(), WHOLE, engine, told, ahead=engine)
    started = [line for line in told.lines if line[0] == "started"]
    assert started[0] == ("started", "a.tif", 1, 5)
    assert [line[2] for line in started] == sorted(line[2] for line in started)
    assert sorted(line[1] for line in told.lines if line[0] == "finished") == list(NAMES)


@pytest.mark.parametrize("error", [ClusterError("The scheduler is gone."), KeyboardInterrupt()])
def test_cut_off_it_keeps_what_is_done_and_the_next_run_goes_on(
    make_project: MakeProject, error: BaseException
) -> None:
    project = make_project(*NAMES)
    lost = isinstance(error, ClusterError)
    engine = Engine({"b.tif": error} if lost else {"nothing": SlideError("")})
    with pytest.raises(type(error)):
        run(project, StubModel(), WHOLE, engine, None if lost else Told(error), ahead=engine)
    (record,) = read_runs(project.path.parent / "cerberus")
    assert record.state == "running"
    assert {image.status for image in record.images.values()} <= {"done"}
    summary = run(project, StubModel(), WHOLE, StubPredictor())
    assert summary.resumed
    assert {each.status for each in summary.images.values()} <= {"done", "skipped"}
    assert [each.status for each in summary.images.values()].count("skipped") == len(record.images)
    assert classes(project) == [Counter({"Nucleus: Epithelial": 36, "Gland": 1, "Lumen": 1})] * len(NAMES)
