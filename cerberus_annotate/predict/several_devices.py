"""Slides on several GPUs of one machine: all share the tiles of a slide, and the next slide waits for them already."""

import copy
import threading
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import replace

import shapely
import torch

from cerberus_annotate.errors import CerberusError
from cerberus_annotate.network.model import Model
from cerberus_annotate.objects.store import ObjectStore
from cerberus_annotate.predict.geometry import default_batch_size
from cerberus_annotate.predict.inference import choose_precision
from cerberus_annotate.predict.on_devices import results_on_devices
from cerberus_annotate.predict.slide_work import SlideWork, lay_out
from cerberus_annotate.predict.stream import Progress, assemble, network_in
from cerberus_annotate.predict.tile_objects import MissingTile, TileObjects
from cerberus_annotate.slide import Slide


def devices_of(device: str) -> list[str]:
    """All GPUs for `cuda`, where there are several, else the device itself."""
    count = torch.cuda.device_count() if device == "cuda" else 1
    return [f"cuda:{index}" for index in range(count)] if count > 1 else [device]


class SeveralDevices:
    """Predicts slides one after the other, called from several threads; an `annotate` run's `Ahead`.

    While one slide's objects are joined and committed, the devices compute the next one's. The tiles are those that
    fit in the memory of the first device.
    """

    images = 3
    """One is computed, one waits for the devices, one is committed."""

    def __init__(
        self,
        model: Model,
        devices: Sequence[str],
        *,
        batch_size: int | None = None,
        precision: str = "auto",
        geometry: str = "auto",
    ) -> None:
        self._models = [
            replace(model, network=copy.deepcopy(model.network).to(device), device=device) for device in devices
        ]
        self._batch_size = batch_size
        self._dtype = choose_precision(devices[0], precision)
        self._reference = geometry == "reference"
        self._devices = threading.Lock()
        self._waiting = 0
        self._counting = threading.Lock()
        self._stopped = threading.Event()

    def __call__(
        self,
        slide: Slide,
        mpp: tuple[float, float],
        *,
        tasks: Sequence[str] | None = None,
        areas: shapely.Geometry | None = None,
        progress: Progress | None = None,
    ) -> ObjectStore:
        """As `predict_slide`."""
        model = self._models[0]
        work = lay_out(slide, mpp, model, tasks, self._dtype, areas, self._reference)
        with closing(self._results(slide, work)) as results:
            return assemble(work, results, model.classes, progress)

    def wants_image(self) -> bool:
        """Whether no slide waits for the devices."""
        return self._waiting == 0

    def stop(self) -> None:
        """Calls end with an error at the next tile."""
        self._stopped.set()

    def _results(self, slide: Slide, work: SlideWork) -> Generator[TileObjects | MissingTile]:
        """What the slide's tiles hold, once the devices are free."""
        self._wait(1)
        with self._devices:
            self._wait(-1)
            self._check()
            model = self._models[0]
            networks = [network_in(each, work.dtype) for each in self._models]
            batch = self._batch_size or default_batch_size(
                model.network.config, work.geometry, work.dtype, model.device
            )
            for result in results_on_devices(slide, work, networks, work.tiles, batch):
                self._check()
                yield result

    def _wait(self, change: int) -> None:
        with self._counting:
            self._waiting += change

    def _check(self) -> None:
        if self._stopped.is_set():
            raise CerberusError("The run was stopped.")
