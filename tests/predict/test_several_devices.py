"""Several devices of one machine: the same objects as one gives, and a stop that ends what runs."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from cerberus_annotate.errors import CerberusError
from cerberus_annotate.network import Model, load_model
from cerberus_annotate.predict import geometry, predict_slide
from cerberus_annotate.predict.image import ArraySlide
from cerberus_annotate.predict.several_devices import SeveralDevices, devices_of
from cerberus_annotate.slide.demo_slide import demo_picture

MPP = (0.5, 0.5)


@pytest.fixture(scope="module")
def model() -> Model:
    return load_model("cerberus-small")


@pytest.fixture
def slides(monkeypatch: pytest.MonkeyPatch) -> list[ArraySlide]:
    """Four tiles of tissue each."""
    monkeypatch.setattr(geometry, "LARGEST_SIDE", 144)
    return [ArraySlide(demo_picture()[top : top + 280, :280], MPP) for top in (0, 100)]


def told(objects: Any) -> Counter[Any]:
    """Objects without the identities that are drawn anew each time."""
    return Counter(
        (each.task, each.path_class, each.polygon.normalize().wkb) for chunk in objects.chunks() for each in chunk
    )


def in_threads(calls: list[Callable[[], Any]]) -> list[Any]:
    """What calls at the same time give, an error where one raises it."""
    given: list[Any] = [None] * len(calls)

    def one(index: int) -> None:
        try:
            given[index] = calls[index]()
        except CerberusError as error:
            given[index] = error

    threads = [threading.Thread(target=one, args=[index]) for index in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return given


def test_slides_at_the_same_time_on_two_devices_have_the_objects_of_one(slides: list[ArraySlide], model: Model) -> None:
    alone = [told(predict_slide(slide, MPP, model, precision="fp32")) for slide in slides]
    both = SeveralDevices(model, ["cpu", "cpu"], precision="fp32")
    found = in_threads([lambda slide=slide: told(both(slide, MPP)) for slide in slides])
    assert min(sum(objects.values()) for objects in alone) > 20
    assert found == alone


def test_while_one_slide_waits_no_other_is_wanted_and_a_stop_ends_both(slides: list[ArraySlide], model: Model) -> None:
    both = SeveralDevices(model, ["cpu", "cpu"], precision="fp32")
    wanted: list[bool] = []
    begun = threading.Event()

    def look(done: int, total: int, objects: int) -> None:
        begun.set()
        if done == 0 or wanted:
            return
        until = time.monotonic() + 20
        while both.wants_image() and time.monotonic() < until:
            time.sleep(0.01)
        wanted.append(both.wants_image())
        both.stop()

    def second() -> Any:
        begun.wait(20)
        return both(slides[1], MPP)

    assert both.wants_image()
    ended = in_threads([lambda: both(slides[0], MPP, progress=look), second])
    assert all("stopped" in str(error) for error in ended)
    assert wanted == [False]


@pytest.mark.parametrize(
    ("wanted", "there", "used"),
    [
        ("cuda", 3, ["cuda:0", "cuda:1", "cuda:2"]),
        ("cuda", 1, ["cuda"]),
        ("cuda:1", 3, ["cuda:1"]),
        ("cpu", 3, ["cpu"]),
    ],
)
def test_cuda_means_all_gpus_and_a_number_one_of_them(
    monkeypatch: pytest.MonkeyPatch, wanted: str, there: int, used: list[str]
) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: there)
    assert devices_of(wanted) == used
