"""Instances by their pixels and by horizontal runs of them: few of a map's pixels lie in objects, fewer runs do."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class LabelledPixels:
    """The pixels of a map of `shape` (height, width) that belong to an instance.

    `cell` int (n,) is the index of each in the flattened map, ascending; `label` int (n,) its instance, above 0.
    """

    cell: NDArray[np.intp]
    label: NDArray[Any]
    shape: tuple[int, int]

    def map(self) -> NDArray[np.int32]:
        """The label map, int32 (height, width), 0 background."""
        labels = np.zeros(self.shape, np.int32)
        labels.ravel()[self.cell] = self.label
        return labels

    def where(self, chosen: NDArray[np.bool_]) -> "LabelledPixels":
        """The pixels that a mask (n,) chooses."""
        return LabelledPixels(self.cell[chosen], self.label[chosen], self.shape)


@dataclass(frozen=True)
class Runs:
    """Pixels of one label side by side in one row, as long as they go on; in raster order.

    `row`, `start`, `stop` (the first column behind), int (n,), and `label` (n,), above 0. `width` is the map's.
    """

    row: NDArray[np.intp]
    start: NDArray[np.intp]
    stop: NDArray[np.intp]
    label: NDArray[Any]
    width: int

    @property
    def begin(self) -> NDArray[np.intp]:
        """Where each begins in the flattened map with one column of background added, so that rows do not touch."""
        return self.row * (self.width + 1) + self.start

    @property
    def end(self) -> NDArray[np.intp]:
        """Where each ends in that map."""
        return self.row * (self.width + 1) + self.stop

    def where(self, chosen: NDArray[np.bool_]) -> "Runs":
        """The runs that a mask (n,) chooses."""
        return Runs(self.row[chosen], self.start[chosen], self.stop[chosen], self.label[chosen], self.width)


def pixels_of_map(labels: NDArray[Any]) -> LabelledPixels:
    """The pixels of a label map, integer (H, W) with 0 as background."""
    cell = np.flatnonzero(labels)
    height, width = labels.shape
    return LabelledPixels(cell, labels.ravel()[cell], (height, width))


def runs_of_pixels(pixels: LabelledPixels) -> Runs:
    """The same as runs."""
    cell, label = pixels.cell, pixels.label
    height, width = pixels.shape
    breaks = np.ones(len(cell) + 1, np.bool_)
    breaks[1:-1] = (np.diff(cell) != 1) | (label[1:] != label[:-1])
    breaks[np.searchsorted(cell, np.arange(height) * width)] = True
    first = np.flatnonzero(breaks[:-1])
    row, start = np.divmod(cell[first], max(width, 1))
    return Runs(row, start, start + np.diff(first, append=len(cell)), label[first], width)


def connected_runs(runs: Runs) -> NDArray[np.intp]:
    """The 4-connected part of one label that each run belongs to (n,), numbered from 0 in raster order."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    count = len(runs.row)
    above_row = runs.width + 1
    begin, end = runs.begin, runs.end
    low = np.searchsorted(end, begin - above_row, "right")
    touching = np.maximum(np.searchsorted(begin, end - above_row, "left") - low, 0)
    below = np.repeat(np.arange(count), touching)
    above = np.arange(len(below)) + np.repeat(low - np.cumsum(touching) + touching, touching)
    same = runs.label[above] == runs.label[below]
    pointers = np.concatenate(([0], np.cumsum(np.bincount(below[same], minlength=count))))
    graph = csr_array((np.ones(pointers[-1], np.int8), above[same], pointers), shape=(count, count))
    return connected_components(graph, directed=False)[1].astype(np.intp)
