"""What a worker does: lay out a slide, compute some of its tiles. What goes wrong there comes back as a sentence."""

import multiprocessing
import os
import pickle
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

import shapely
import torch
from distributed import get_worker

import cerberus_annotate
from cerberus_annotate.errors import CerberusError, SlideError, UsageError
from cerberus_annotate.predict.cluster.weights import model_here
from cerberus_annotate.predict.inference import choose_precision
from cerberus_annotate.predict.slide_work import SlideWork, lay_out
from cerberus_annotate.predict.stream import tile_results
from cerberus_annotate.predict.tile_objects import MissingTile, TileObjects
from cerberus_annotate.slide import SlideRecipe, Tile, open_recipe

PICKLE = 5

Results = list[TileObjects | MissingTile]
Value = TypeVar("Value")


@dataclass(frozen=True)
class Job:
    """What a worker must know of a slide's prediction.

    sha256: of the weights.  device, precision, batch_size, geometry: as `annotate` has them, None for what memory
    allows; `auto` is decided by each worker.  version: of this package where the run was started.
    """

    slide: SlideRecipe
    sha256: str
    device: str
    precision: str
    geometry: str
    batch_size: int | None
    version: str = cerberus_annotate.__version__


@dataclass(frozen=True)
class Outcome(Generic[Value]):
    """What came of a task on a worker.

    value: None where it failed, then `failure` says why as a sentence.  worker: its address.  seconds: of computing.
    """

    worker: str
    value: Value | None = None
    failure: str = ""
    seconds: float = 0.0


LayOut = Callable[[Job, tuple[float, float], Sequence[str] | None, shapely.Geometry | None], SlideWork]
Compute = Callable[[Job, SlideWork, Sequence[Tile]], Results]


def lay_out_here(
    job: Job, mpp: tuple[float, float], tasks: Sequence[str] | None, areas: shapely.Geometry | None
) -> SlideWork:
    """The work on a slide, for tiles that fit in this worker's memory."""
    model = model_here(job.sha256, job.device)
    dtype = choose_precision(model.device, job.precision)
    with open_recipe(job.slide) as slide:
        return lay_out(slide, mpp, model, tasks, dtype, areas, job.geometry == "reference")


def compute_here(job: Job, work: SlideWork, tiles: Sequence[Tile]) -> Results:
    """What some of a slide's tiles hold; the worker's threads share the processor, one lane each."""
    model = model_here(job.sha256, job.device)
    if model.device.startswith("cuda") and multiprocessing.current_process().daemon:
        raise UsageError(
            "beside a GPU, outlines are drawn by processes, which Dask does not let a worker start; set "
            "DASK_DISTRIBUTED__WORKER__DAEMON=False in its environment."
        )
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    torch.set_num_threads(max(1, min(torch.get_num_threads(), cores // get_worker().state.nthreads)))
    # another worker laid it out, and may compute in other numbers
    work = replace(work, dtype=choose_precision(model.device, job.precision))
    with open_recipe(job.slide) as slide:
        return list(tile_results(slide, work, model, tiles, job.batch_size, lanes=1))


def pack(job: Job, compute: Compute, work: SlideWork, tiles: Sequence[Tile]) -> bytes:
    """What `compute` finds, in a quarter of the bytes: outlines repeat themselves."""
    return zlib.compress(pickle.dumps(compute(job, work, tiles), PICKLE), 1)


def unpack(packed: bytes) -> Results:
    """The inverse of `pack`; only for what our own workers sent."""
    return pickle.loads(zlib.decompress(packed))


def attempt(step: Callable[..., Value], job: Job, *args: Any) -> Outcome[Value]:
    """`step(job, *args)` with its time; an error of it becomes a sentence that names this worker."""
    worker = get_worker()
    where = f"worker {worker.name} at {worker.address}"
    try:
        if job.version != cerberus_annotate.__version__:
            raise UsageError(
                f"it has version {cerberus_annotate.__version__} of cerberus-annotate and the run is of {job.version}; "
                "install the same version there."
            )
        started = time.monotonic()
        value = step(job, *args)
        return Outcome(worker.address, value, seconds=time.monotonic() - started)
    except SlideError as error:
        return Outcome(
            worker.address,
            failure=f"The {where} cannot read the slide {job.slide.path} ({error}) Slides must lie at the same path on "
            "every worker as here.",
        )
    except CerberusError as error:
        return Outcome(worker.address, failure=f"The {where} cannot do its part: {error}")
    except Exception as error:
        reason = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        return Outcome(worker.address, failure=f"The {where} failed ({reason}).")
