"""Several images of a run in flight: some are predicted elsewhere while one is opened, decided or committed."""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any, Protocol

from cerberus_annotate.annotate.one_image import Predict
from cerberus_annotate.feedback.runs import ImageRecord
from cerberus_annotate.qupath import Image

POLL = 0.05
"""Seconds between two looks at whether another image can begin."""


class Ahead(Protocol):
    """What predicts several images at once: several GPUs, a cluster."""

    @property
    def images(self) -> int:
        """At most so many images are in flight."""

    def wants_image(self) -> bool:
        """Whether another image would be begun at once; asked again and again."""

    def stop(self) -> None:
        """Gives up what is running: calls of `predict` end soon, with an error."""


class Started(Protocol):
    """Who is told of images that begin and of their tiles, see `annotate.run.Progress`."""

    def image_started(self, name: str, number: int, total: int) -> None: ...

    def tiles(self, done: int, total: int, objects: int) -> None: ...


Attempt = Callable[[Image, Predict, Callable[[int, int, int], None]], ImageRecord]
"""One image, with what predicts it and whom to tell of its tiles; what goes wrong with it becomes its record."""


def attempt_several(
    images: Sequence[Image],
    attempt: Attempt,
    predict: Predict,
    ahead: Ahead,
    progress: Started,
    finished: Callable[[Image, ImageRecord], None],
) -> None:
    """Attempts all images, in order of beginning; `finished` is called in this thread, in order of ending.

    What `attempt` does outside `predict` is done for one image at a time. Raises what `attempt` raises, and
    KeyboardInterrupt, after the image that was being committed is done and told of.
    """
    turn = threading.Lock()
    front = _Front(progress, len(images))
    coming = list(reversed(images))
    running: dict[Future[ImageRecord], Image] = {}
    begun = threading.Event()
    begun.set()

    def begin(image: Image, begun: threading.Event) -> ImageRecord:
        def predict_out_of_turn(*args: Any, **kwargs: Any) -> Any:
            begun.set()
            turn.release()
            try:
                return predict(*args, **kwargs)
            finally:
                turn.acquire()

        try:
            with turn:
                return attempt(image, predict_out_of_turn, lambda *told: front.tiles(image, *told))
        finally:
            begun.set()

    def tell(done: Future[ImageRecord]) -> None:
        image = running.pop(done)
        finished(image, done.result())
        front.ended(image)

    with ThreadPoolExecutor(ahead.images, thread_name_prefix="image") as threads:
        try:
            while coming or running:
                # one after the other, so that the work of the one is known before the next is thought to be needed
                if coming and len(running) < ahead.images and begun.is_set() and ahead.wants_image():
                    image, begun = coming.pop(), threading.Event()
                    front.began(image)
                    running[threads.submit(begin, image, begun)] = image
                if not running:
                    time.sleep(POLL)
                for done in wait(running, POLL, FIRST_COMPLETED).done:
                    tell(done)
        except BaseException:
            ahead.stop()
            for done in wait(running).done:
                # what fails from here on does so because it was stopped
                if done.exception() is None and done.result().status == "done":
                    tell(done)
            raise


class _Front:
    """Tells of the image that began first, and, when it has ended, of the next; one at a time, as people read it."""

    def __init__(self, progress: Started, total: int) -> None:
        self._progress = progress
        self._total = total
        self._ended = 0
        self._running: list[Image] = []

    def began(self, image: Image) -> None:
        self._running.append(image)
        if len(self._running) == 1:
            self._tell()

    def tiles(self, image: Image, done: int, total: int, objects: int) -> None:
        if self._running and self._running[0] is image:
            self._progress.tiles(done, total, objects)

    def ended(self, image: Image) -> None:
        was_first = self._running[0] is image
        self._running.remove(image)
        self._ended += 1
        if was_first and self._running:
            self._tell()

    def _tell(self) -> None:
        self._progress.image_started(self._running[0].name, self._ended + 1, self._total)
