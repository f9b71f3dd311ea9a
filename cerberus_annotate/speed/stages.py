"""Seconds of each stage of a prediction, one after the other, each by itself."""

import pickle
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from cerberus_annotate.network.model import Model
from cerberus_annotate.objects.store import ObjectStore
from cerberus_annotate.predict.geometry import default_batch_size
from cerberus_annotate.predict.inference import Maps, tile_maps
from cerberus_annotate.predict.lanes import lane_count, lane_pool
from cerberus_annotate.predict.slide_work import SlideWork
from cerberus_annotate.predict.stream import assemble, network_in
from cerberus_annotate.predict.tile_objects import extract_tile
from cerberus_annotate.slide import Slide

Pixels = NDArray[np.uint8]
Result = TypeVar("Result")


@dataclass(frozen=True)
class Seconds:
    """wall: of the clock.  cpu: of all threads of this process together."""

    wall: float
    cpu: float


def timed(work: Callable[[], Result]) -> tuple[Result, Seconds]:
    """What `work` gives, and how long it took."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = work()
    return result, Seconds(time.perf_counter() - wall, time.process_time() - cpu)


def predict_by_stages(
    slide: Slide, work: SlideWork, model: Model, tell: Callable[[str], None]
) -> tuple[ObjectStore, dict[str, Seconds], int]:
    """The objects of the work's tiles, the seconds of `read`, `network`, `extract` and `join`, and how many bytes the
    tiles' objects are on their way from a worker, packed as it packs them.

    Reading, extraction and joining run on one thread, the network as a run has it: in lanes on a processor, in batches
    on a GPU. All tiles are in memory at a time, so the work must be a small one.
    """
    tell("reading")
    pixels, read = timed(lambda: [work.read(slide, tile) for tile in work.tiles])
    network = network_in(model, work.dtype)
    tell("network")
    tile_maps(network, pixels[:1], work.geometry, work.outputs, work.dtype)  # the first call chooses its kernels
    compute = _on_a_device if model.device.startswith("cuda") else _in_lanes
    maps, computed = timed(lambda: compute(network, pixels, work, model))
    pixels.clear()
    tell("extraction")
    found, extracted = timed(
        lambda: [
            extract_tile(work.extraction, tile, work.shared(tile), each)
            for tile, each in zip(work.tiles, maps, strict=True)
        ]
    )
    maps.clear()
    sent = len(zlib.compress(pickle.dumps(found, pickle.HIGHEST_PROTOCOL), 1))
    store, joined = timed(lambda: assemble(work, iter(found), model.classes))
    return store, {"read": read, "network": computed, "extract": extracted, "join": joined}, sent


def _in_lanes(network: Any, pixels: Sequence[Pixels], work: SlideWork, model: Model) -> list[Maps]:
    with lane_pool(lane_count(len(pixels))) as pool:
        each = pool.map(lambda one: tile_maps(network, [one], work.geometry, work.outputs, work.dtype)[0], pixels)
        return list(each)


def _on_a_device(network: Any, pixels: Sequence[Pixels], work: SlideWork, model: Model) -> list[Maps]:
    batch = default_batch_size(model.network.config, work.geometry, work.dtype, model.device)
    maps: list[Maps] = []
    for group in _batches(pixels, batch):
        maps += tile_maps(network, group, work.geometry, work.outputs, work.dtype)
    return maps


def _batches(pixels: Sequence[Pixels], size: int) -> Iterator[list[Pixels]]:
    """Runs of tiles of one shape."""
    group: list[Pixels] = []
    for one in pixels:
        if group and (len(group) == size or group[0].shape != one.shape):
            yield group
            group = []
        group.append(one)
    if group:
        yield group
