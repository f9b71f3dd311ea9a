"""Regions of a slide through the network: read, put together by size, looked at."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cerberus_annotate.network.cerberus import Cerberus
from cerberus_annotate.network.model import TASK_OUTPUTS, Model
from cerberus_annotate.predict.geometry import bytes_per_pixel, memory_budget
from cerberus_annotate.predict.inference import choose_precision
from cerberus_annotate.predict.stream import network_in
from cerberus_annotate.review.candidates import Bounds
from cerberus_annotate.review.observation import COARSER, Observation, padded, sum_up
from cerberus_annotate.review.views import CONTEXT, look_at
from cerberus_annotate.slide import Slide, read_scaled

LARGEST_BATCH_CPU, LARGEST_BATCH = 4, 64


@dataclass(frozen=True)
class Observer:
    """A network and what it is asked.  outputs: heads for instances and types of the chosen tasks."""

    model: Model
    network: Cerberus
    dtype: torch.dtype
    outputs: tuple[str, ...]

    @classmethod
    def of(cls, model: Model, tasks: Sequence[str], precision: str = "auto") -> "Observer":
        """Raises UsageError for a precision that the device has not."""
        dtype = choose_precision(model.device, precision)
        outputs = tuple(name for task in tasks for name in TASK_OUTPUTS[task] if name in model.classes)
        return cls(model, network_in(model, dtype), dtype, outputs)

    def observe(
        self,
        slide: Slide,
        mpp: tuple[float, float],
        regions: Sequence[Bounds],
        told: Callable[[int], None] | None = None,
    ) -> list[Observation]:
        """Looks at regions of a slide, in their order.

        mpp: (x, y) µm per level-0 px. told: called with the number of regions done. Raises SlideError where the slide
        cannot be read.
        """
        scale = self.model.mpp / mpp[0], self.model.mpp / mpp[1]
        boxes = [_on_grid(region, scale) for region in regions]
        found: dict[int, Observation] = {}
        for group in self._batches(boxes):
            size = boxes[group[0]].height, boxes[group[0]].width
            pixels = [self._read(slide, scale, boxes[at]) for at in group]
            views = look_at(self.network, self._stacked(pixels), self.outputs, size)
            pictures = [_own_pixels(one, size, self.model.stem_stride) for one in pixels]
            summed = sum_up(views, pictures, self.model.classes, self.model.mpp, size)
            found |= dict(zip(group, summed, strict=True))
            if told is not None:
                told(len(found))
        return [found[at] for at in range(len(regions))]

    def _batches(self, boxes: Sequence["_GridBox"]) -> Iterator[list[int]]:
        """Places of boxes of one size, as many as go together."""
        by_size: dict[tuple[int, int], list[int]] = {}
        for at, box in enumerate(boxes):
            by_size.setdefault((box.height, box.width), []).append(at)
        most = LARGEST_BATCH_CPU if self.model.device == "cpu" else LARGEST_BATCH
        for (height, width), places in by_size.items():
            pixels = (padded(height) + 2 * CONTEXT) * (padded(width) + 2 * CONTEXT)
            # half of it is left for the maps of four views
            each = 2 * pixels * bytes_per_pixel(self.network.config, self.dtype)
            count = max(1, min(most, int(memory_budget(self.model.device) / each)))
            yield from (places[first : first + count] for first in range(0, len(places), count))

    def _read(self, slide: Slide, scale: tuple[float, float], box: "_GridBox") -> NDArray[np.uint8]:
        finer = self.model.stem_stride
        return read_scaled(
            slide,
            (box.left - CONTEXT) * finer,
            (box.top - CONTEXT) * finer,
            (padded(box.width) + 2 * CONTEXT) * finer,
            (padded(box.height) + 2 * CONTEXT) * finer,
            (scale[0] / finer, scale[1] / finer),
        )

    def _stacked(self, pixels: Sequence[NDArray[np.uint8]]) -> Tensor:
        stack = torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2).to(self.model.device)
        return stack.to(self.dtype).contiguous(memory_format=torch.channels_last)


@dataclass(frozen=True)
class _GridBox:
    """A region in px of the network's grid."""

    left: int
    top: int
    width: int
    height: int


def _on_grid(bounds: Bounds, scale: tuple[float, float]) -> _GridBox:
    """scale: (x, y) level-0 px per px of the grid."""
    left, top, right, bottom = bounds
    width, height = max(1, round((right - left) / scale[0])), max(1, round((bottom - top) / scale[1]))
    return _GridBox(round(left / scale[0]), round(top / scale[1]), width, height)


def _own_pixels(pixels: NDArray[np.uint8], size: tuple[int, int], finer: int) -> NDArray[np.uint8]:
    """The region without context, on pixels of `COARSER` px of the grid."""
    each = COARSER * finer
    rows, columns = (max(1, side // COARSER) * each for side in size)
    own = pixels[CONTEXT * finer : CONTEXT * finer + rows, CONTEXT * finer : CONTEXT * finer + columns]
    blocks = own.reshape(rows // each, each, columns // each, each, 3)
    return np.asarray(blocks.mean((1, 3)).round(), np.uint8)
