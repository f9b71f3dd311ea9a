"""Strips of rows of a map: who computes them, and the memory that they are put together in."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Self, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

STRIP = 96
"""Rows of a strip, at most. More fall out of the cache, fewer compute more of the overlap twice."""

MOST_WORKERS = 8
"""Beyond so many, cores share a strip, since a tile has only some twenty strips."""

Result = TypeVar("Result")


@dataclass(frozen=True)
class Rows:
    """The rows from `top` on of a map that has `height` of them.  x: (1, C, h, W), channels last."""

    x: Tensor
    top: int
    height: int

    @property
    def bottom(self) -> int:
        return self.top + self.x.shape[2]

    def cut(self, top: int, bottom: int) -> Tensor:
        return self.x[:, :, top - self.top : bottom - self.top]


class Workers:
    """Threads that compute strips, a strip each.

    One core computes a strip from end to end: nothing waits at the end of every operation for the slowest core, which
    matters where other processes use them too, and a strip stays in its core's cache.
    """

    def __init__(self) -> None:
        self.threads = torch.get_num_threads()
        self.count = min(self.threads, MOST_WORKERS)
        self.pool: ThreadPoolExecutor | None = None

    def __enter__(self) -> Self:
        if self.count > 1:
            # torch keeps the number of threads for each calling thread, so these share out what the caller has
            self.pool = ThreadPoolExecutor(self.count, "strip", torch.set_num_threads, (self.threads // self.count,))
        return self

    def __exit__(self, *_: object) -> None:
        if self.pool is not None:
            self.pool.shutdown(cancel_futures=True)
            torch.set_num_threads(self.threads)

    def each(self, top: int, bottom: int, compute: Callable[[int, int], Result]) -> list[Result]:
        """compute(first row, row after the last) of each strip of a map, in order."""
        count = max(1, -(-(bottom - top) // STRIP))
        rows = -(-(bottom - top) // (-(-count // self.count) * self.count))
        rows += rows % 2
        ends = [(first, min(first + rows, bottom)) for first in range(top, bottom, rows)]
        if self.pool is None:
            return [compute(first, last) for first, last in ends]
        return list(self.pool.map(torch.inference_mode()(lambda strip: compute(*strip)), ends))


class _Scratch(threading.local):
    """Memory of the maps of a tile, kept by each thread for its next one: fresh memory costs more than writing it does.

    NumPy asks the system for large pages, torch does not: then it costs a quarter.
    """

    def __init__(self) -> None:
        self.blocks: dict[str, NDArray[np.uint8]] = {}

    def map(self, name: str, like: Tensor, channels: int, height: int, width: int) -> Tensor:
        """(1, channels, height, width), channels last, of the dtype of `like`, in the block of that name."""
        size = height * width * channels * like.element_size()
        if name not in self.blocks or self.blocks[name].size < size:
            self.blocks.pop(name, None)
            self.blocks[name] = np.empty(size, np.uint8)
        block = self.blocks[name][:size].view(f"i{like.element_size()}")
        return torch.from_numpy(block).view(like.dtype).view(1, height, width, channels).permute(0, 3, 1, 2)


SCRATCH = _Scratch()
