"""Tiles on GPUs: read ahead by threads, computed by the devices in batches, taken apart by other processes.

All queues are bounded: memory holds a few tiles a device.
"""

import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from queue import Queue

import numpy as np
import torch
from numpy.typing import NDArray

from cerberus_annotate.errors import ModelError, SlideError
from cerberus_annotate.network.cerberus import Cerberus
from cerberus_annotate.predict.extraction_processes import Extracting, extraction_processes
from cerberus_annotate.predict.inference import Maps, tile_maps
from cerberus_annotate.predict.slide_work import SlideWork
from cerberus_annotate.predict.tile_objects import MissingTile, TileObjects
from cerberus_annotate.slide import Slide, Tile

READERS = 4
"""A device; OpenSlide and the resampling let other threads run meanwhile."""
PENDING = 8
"""Tiles a device whose maps wait for a process."""

Pixels = NDArray[np.uint8]


def results_on_devices(
    slide: Slide, work: SlideWork, networks: Sequence[Cerberus], tiles: Sequence[Tile], batch: int
) -> Iterator[TileObjects | MissingTile]:
    """What the tiles hold, in the order in which they are done; `networks` are copies of one, each on its device."""
    extractors = extraction_processes()
    out: Queue[Extracting | MissingTile | BaseException | None] = Queue(PENDING * len(networks))
    stop = threading.Event()
    with ThreadPoolExecutor(READERS * len(networks)) as readers, ThreadPoolExecutor(len(networks)) as devices:
        groups = _Shared(_batches(_read_ahead(readers, slide, work, tiles, READERS * len(networks) + batch), batch))

        def compute(network: Cerberus) -> None:
            try:
                for group in groups:
                    if isinstance(group, MissingTile):
                        out.put(group)
                        continue
                    maps = _maps_of(network, [pixels for _, pixels in group], work)
                    for (tile, _), found in zip(group, maps, strict=True):
                        out.put(extractors.submit(work.extraction, tile, work.shared(tile), found))
                    if stop.is_set():
                        break
                out.put(None)
            except BaseException as error:
                out.put(error)

        for network in networks:
            devices.submit(compute, network)
        working = len(networks)
        try:
            while working:
                given = out.get()
                if given is None:
                    working -= 1
                elif isinstance(given, BaseException):
                    working -= 1
                    raise given
                else:
                    yield given if isinstance(given, MissingTile) else extractors.result(given)
        finally:
            stop.set()
            while working:
                working -= isinstance(out.get(), BaseException | None)


class _Shared:
    """An iterator that several threads take from."""

    def __init__(self, items: Iterator[MissingTile | list[tuple[Tile, Pixels]]]) -> None:
        self._items = items
        self._lock = threading.Lock()

    def __iter__(self) -> "_Shared":
        return self

    def __next__(self) -> MissingTile | list[tuple[Tile, Pixels]]:
        with self._lock:
            return next(self._items)


def _read_ahead(
    readers: ThreadPoolExecutor, slide: Slide, work: SlideWork, tiles: Sequence[Tile], ahead: int
) -> Iterator[tuple[Tile, Pixels] | MissingTile]:
    """The tiles with their pixels, in order, at most `ahead` of them read before they are asked for."""
    coming = iter(tiles)
    waiting = deque((tile, readers.submit(work.read, slide, tile)) for tile in islice(coming, ahead))
    while waiting:
        tile, pixels = waiting.popleft()
        try:
            yield tile, pixels.result()
        except SlideError as error:
            yield MissingTile(tile, str(error))
        waiting.extend((following, readers.submit(work.read, slide, following)) for following in islice(coming, 1))


def _batches(
    read: Iterator[tuple[Tile, Pixels] | MissingTile], size: int
) -> Iterator[list[tuple[Tile, Pixels]] | MissingTile]:
    """Runs of consecutive tiles of one shape, at most `size` long, and the missing ones as they come."""
    group: list[tuple[Tile, Pixels]] = []
    for one in read:
        if isinstance(one, MissingTile):
            yield one
            continue
        if group and (len(group) == size or group[0][1].shape != one[1].shape):
            yield group
            group = []
        group.append(one)
    if group:
        yield group


def _maps_of(network: Cerberus, tiles: list[Pixels], work: SlideWork) -> list[Maps]:
    """As `tile_maps`, in halves where the GPU's memory does not do for all at once."""
    try:
        return tile_maps(network, tiles, work.geometry, work.outputs, work.dtype)
    except torch.OutOfMemoryError as error:
        if len(tiles) == 1:
            raise ModelError(
                "The GPU's memory does not do for a single tile; free some of it, or give --device cpu."
            ) from error
    torch.cuda.empty_cache()
    half = len(tiles) // 2
    return [maps for part in (tiles[:half], tiles[half:]) for maps in _maps_of(network, part, work)]
