"""Tiles on a processor: a few lanes side by side, each reading a tile, computing it and taking its objects out.

A lane waits for nobody, so the cores stay busy without threads that meet at the end of every layer of the network.
"""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager

import torch

from cerberus_annotate.errors import SlideError
from cerberus_annotate.network.cerberus import Cerberus
from cerberus_annotate.predict.inference import tile_maps
from cerberus_annotate.predict.slide_work import SlideWork
from cerberus_annotate.predict.tile_objects import MissingTile, TileObjects, extract_tile
from cerberus_annotate.slide import Slide, Tile

MOST_LANES = 4
"""Each holds a tile's maps in memory; with more cores a lane has several."""


def core_count() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def lane_count(tiles: int | None = None) -> int:
    """How many lanes this machine runs for so many tiles."""
    return max(1, min(MOST_LANES, core_count(), MOST_LANES if tiles is None else tiles))


@contextmanager
def lane_pool(lanes: int) -> Iterator[ThreadPoolExecutor]:
    """The lanes' threads, which share out those of torch.

    They set torch's number of threads for the whole process; at the end it is put back.
    """
    before = torch.get_num_threads()
    threads = max(1, before // lanes)
    try:
        with ThreadPoolExecutor(lanes, initializer=torch.set_num_threads, initargs=(threads,)) as pool:
            yield pool
    finally:
        torch.set_num_threads(before)


def results_in_lanes(
    slide: Slide, work: SlideWork, network: Cerberus, tiles: Sequence[Tile], lanes: int | None = None
) -> Iterator[TileObjects | MissingTile]:
    """What the tiles hold, in the order in which they are done; in so many lanes, as the machine has cores for None."""
    lanes = lanes or lane_count(len(tiles))

    def one(tile: Tile) -> TileObjects | MissingTile:
        try:
            pixels = work.read(slide, tile)
        except SlideError as error:
            return MissingTile(tile, str(error))
        maps = tile_maps(network, [pixels], work.geometry, work.outputs, work.dtype)[0]
        return extract_tile(work.extraction, tile, work.shared(tile), maps)

    with lane_pool(lanes) as pool:
        coming = iter(tiles)
        running: set[Future[TileObjects | MissingTile]] = set()
        try:
            # one more than lanes, so that none waits for the consumer
            for tile in coming:
                running.add(pool.submit(one, tile))
                if len(running) > lanes:
                    done, running = wait(running, return_when=FIRST_COMPLETED)
                    yield from (future.result() for future in done)
            while running:
                done, running = wait(running, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in done)
        finally:
            for future in running:
                future.cancel()
