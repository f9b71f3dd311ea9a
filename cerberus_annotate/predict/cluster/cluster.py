"""The client's side: slides go out in groups of tiles, what comes back is put together here."""

import itertools
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any

import shapely
from distributed import Client, Future, KilledWorker

from cerberus_annotate.errors import CerberusError, ClusterError
from cerberus_annotate.network.model import Model
from cerberus_annotate.objects.store import ObjectStore
from cerberus_annotate.predict.cluster.groups import Pace
from cerberus_annotate.predict.cluster.slots import Slots
from cerberus_annotate.predict.cluster.worker import (
    Compute,
    Job,
    LayOut,
    Outcome,
    Results,
    attempt,
    compute_here,
    lay_out_here,
)
from cerberus_annotate.predict.slide_work import SlideWork
from cerberus_annotate.predict.stream import Progress, assemble
from cerberus_annotate.predict.tile_objects import MissingTile, TileObjects
from cerberus_annotate.slide import Slide, Tile

logger = logging.getLogger("cerberus_annotate")

IMAGES = 32
"""In flight at most; so many only where slides are smaller than what the workers take at a time."""
ATTEMPTS = 3
"""At tiles that fail on a worker, each on another worker where there is one."""
LOOK_SECONDS = 1.0
"""Between two looks at whether the scheduler is still there."""
NO_WORKER_SECONDS = 60.0


@dataclass
class _Group:
    """Tiles that go out as one task.  failed: addresses of workers where it failed. deaths: rounds that ended with the
    scheduler giving up because workers died."""

    tiles: Sequence[Tile]
    failed: list[str] = field(default_factory=list)
    deaths: int = 0


class Cluster:
    """Predicts slides on a Dask cluster, several at a time from as many threads; an `annotate` run's `Ahead`.

    `lay_out` and `compute` are what a worker does.
    """

    images = IMAGES

    def __init__(
        self,
        client: Client,
        model: Model,
        *,
        device: str = "auto",
        precision: str = "auto",
        batch_size: int | None = None,
        geometry: str = "auto",
        lay_out: LayOut = lay_out_here,
        compute: Compute = compute_here,
    ) -> None:
        self._client = client
        self._model = model
        self._how: dict[str, Any] = {
            "sha256": model.sha256,
            "device": device,
            "precision": precision,
            "geometry": geometry,
            "batch_size": batch_size,
        }
        self._lay_out = lay_out
        self._compute = compute
        self._slots = Slots(self._threads)
        self._pace = Pace()
        self._stopped = threading.Event()
        self._numbers = itertools.count(1)
        self._sent: set[Future] = set()

    def __call__(
        self,
        slide: Slide,
        mpp: tuple[float, float],
        *,
        tasks: Sequence[str] | None = None,
        areas: shapely.Geometry | None = None,
        progress: Progress | None = None,
    ) -> ObjectStore:
        """As `predict_slide`.  Raises CerberusError where workers cannot do it, ClusterError where the scheduler is
        lost."""
        job = Job(slide.source, str(slide.path), **self._how)
        number = next(self._numbers)
        work = self._laid_out(job, mpp, tasks, areas)
        return assemble(work, self._results(job, work, -number), self._model.classes, progress)

    def wants_image(self) -> bool:
        """Whether workers would idle without another image."""
        return self._slots.free()

    def stop(self) -> None:
        """Cancels all tasks; the workers end what they are computing and throw it away."""
        self._stopped.set()
        if self._client.status == "running":
            self._client.cancel(list(self._sent), force=True)

    def _laid_out(self, job: Job, mpp: tuple[float, float], tasks: Any, areas: Any) -> SlideWork:
        group = _Group(())
        while True:
            # before all groups: it takes a moment, and much waits for it
            future = self._submit(group, 1, self._lay_out, job, mpp, tasks, areas)
            done: SimpleQueue[Future] = SimpleQueue()
            future.add_done_callback(done.put)
            outcome = self._outcome(self._next(done))
            if outcome is None:
                raise CerberusError(f"Workers died again and again while they opened the slide {job.path}.")
            if outcome.value is not None:
                return outcome.value
            self._failed(group, outcome)

    def _results(self, job: Job, work: SlideWork, priority: int) -> Iterator[TileObjects | MissingTile]:
        """What the slide's tiles hold, as the groups come back; few of them are out at a time."""
        bare = replace_tiles(work)
        left = deque(work.tiles)
        again: deque[_Group] = deque()
        out: dict[Any, _Group] = {}
        done: SimpleQueue[Future] = SimpleQueue()
        try:
            while left or again or out:
                while (left or again) and self._slots.take(self._check if not out else None):
                    group = again.popleft() if again else self._group(left)
                    future = self._submit(group, priority, self._compute, job, bare, group.tiles)
                    out[future.key] = group
                    future.add_done_callback(done.put)
                future = self._next(done)
                group = out.pop(future.key)
                outcome = self._outcome(future)
                if outcome is None:
                    yield from self._after_deaths(group, again)
                elif outcome.value is None:
                    self._failed(group, outcome)
                    again.append(group)
                else:
                    self._pace.saw(len(group.tiles), outcome.seconds)
                    yield from outcome.value
                self._slots.give()
        finally:
            ...
