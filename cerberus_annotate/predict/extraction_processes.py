"""Processes that take objects out of maps beside the network, and go on when one of them dies."""

import multiprocessing
import os
import threading
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import cache

from cerberus_annotate.errors import ModelError
from cerberus_annotate.objects.freed_memory import keep_freed_memory
from cerberus_annotate.objects.pieces import Sides
from cerberus_annotate.predict.tile_objects import Extraction, Maps, TileObjects, extract_tile
from cerberus_annotate.slide import Tile

MOST_PROCESSES = 16
ATTEMPTS = 3


@dataclass
class Extracting:
    """A tile on its way; `pool` is the number of the pool that has it."""

    given: tuple[Extraction, Tile, Sides, Maps]
    future: Future[TileObjects]
    pool: int
    attempts: int = 1


class ExtractionProcesses:
    """A pool of processes. A tile whose process was killed is given to a new pool, `ATTEMPTS` times at most."""

    def __init__(self, processes: int) -> None:
        self._processes = processes
        self._lock = threading.Lock()
        self._started = 0
        self._pool = self._start()

    def submit(self, extraction: Extraction, tile: Tile, shared: Sides, maps: Maps) -> Extracting:
        """Begins with a tile."""
        given = (extraction, tile, shared, maps)
        return Extracting(given, *self._begin(given))

    def result(self, extracting: Extracting) -> TileObjects:
        """Waits for a tile.  Raises ModelError when its process died every time."""
        while True:
            try:
                return extracting.future.result()
            except BrokenProcessPool as error:
                tile = extracting.given[1]
                if extracting.attempts == ATTEMPTS:
                    raise ModelError(
                        f"A process that takes objects out of tiles died {ATTEMPTS} times at the tile at "
                        f"{tile.x}, {tile.y} of {tile.width} x {tile.height} px; most likely memory ran out. Close "
                        "other programs."
                    ) from error
                extracting.attempts += 1
                extracting.future, extracting.pool = self._begin(extracting.given, extracting.pool)

    def _begin(
        self, given: tuple[Extraction, Tile, Sides, Maps], broken: int | None = None
    ) -> tuple[Future[TileObjects], int]:
        with self._lock:
            if broken == self._started:
                self._pool = self._start()
            try:
                return self._pool.submit(extract_tile, *given), self._started
            except BrokenProcessPool:
                self._pool = self._start()
                return self._pool.submit(extract_tile, *given), self._started

    def _start(self) -> ProcessPoolExecutor:
        self._started += 1
        # a forked process would inherit the locks of torch's and OpenSlide's threads
        context = multiprocessing.get_context("spawn")
        return ProcessPoolExecutor(self._processes, context, initializer=_begin_process)


def _begin_process() -> None:
    keep_freed_memory()
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A killed parent cannot end its processes, which would wait for tiles for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


@cache
def extraction_processes() -> ExtractionProcesses:
    """The pool of this process, kept from slide to slide because its start takes seconds."""
    return ExtractionProcesses(max(1, min(MOST_PROCESSES, (os.cpu_count() or 2) - 1)))
