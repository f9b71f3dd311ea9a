"""Predicts slides on a Dask cluster: groups of tiles go out, what comes back is put together here."""

import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import shapely
from distributed import Client

from cerberus_annotate.errors import SlideError
from cerberus_annotate.network.model import Model
from cerberus_annotate.objects.store import ObjectStore
from cerberus_annotate.predict.cluster.connection import Connection
from cerberus_annotate.predict.cluster.groups import Pace
from cerberus_annotate.predict.cluster.slots import Slots
from cerberus_annotate.predict.cluster.tasks import all_results, one_value
from cerberus_annotate.predict.cluster.worker import Compute, Job, LayOut, compute_here, lay_out_here
from cerberus_annotate.predict.stream import Progress, assemble
from cerberus_annotate.slide import Slide, SlideRecipe

IMAGES = 32
"""In flight at most; so many only where slides are smaller than what the workers take at a time."""


class Cluster:
    """Predicts several slides at a time, called from as many threads; an `annotate` run's `Ahead`.

    The weights must be on the workers (see `send_weights`). `lay_out` and `compute` are what a worker does.
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
        self._connection = Connection(client)
        self._model = model
        self._how: dict[str, Any] = {
            "sha256": model.sha256,
            "device": device,
            "precision": precision,
            "geometry": geometry,
            "batch_size": batch_size,
        }
        self._lay_out, self._compute = lay_out, compute
        # as many wait at the workers as are computed, and one is on its way
        self._slots = Slots(lambda: 2 * max(1, sum(self._connection.workers().values())) + 1)
        self._pace = Pace()
        self._numbers = itertools.count(1)

    def __call__(
        self,
        slide: Slide,
        mpp: tuple[float, float],
        *,
        tasks: Sequence[str] | None = None,
        areas: shapely.Geometry | None = None,
        progress: Progress | None = None,
    ) -> ObjectStore:
        """As `predict_slide`.

        Tiles at which every worker died are among `left_out`. Raises CerberusError where workers cannot do it,
        ClusterError where the scheduler is lost.
        """
        number = next(self._numbers)
        job = Job(_recipe(slide), **self._how)
        work = one_value(self._connection, self._lay_out, job, mpp, tasks, areas)
        results = all_results(
            self._connection,
            self._slots,
            self._pace,
            work.tiles,
            job,
            self._compute,
            replace(work, tiles=()),
            priority=-number,
        )
        return assemble(work, results, self._model.classes, progress)

    def wants_image(self) -> bool:
        """Whether workers would soon idle without another image."""
        return self._slots.free()

    def stop(self) -> None:
        """Cancels all tasks; calls end with an error."""
        self._connection.stop()


def _recipe(slide: Slide) -> SlideRecipe:
    if slide.recipe is None:
        raise SlideError(f"{slide.path}: is not a file that the workers of a cluster could open.")
    return slide.recipe
