"""A region through the network: what it says of the region in a few numbers, so that thousands fit in memory."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from cerberus_annotate.network.cerberus import Cerberus
from cerberus_annotate.network.model import TASK_OUTPUTS, Model
from cerberus_annotate.objects.class_names import class_name
from cerberus_annotate.predict.geometry import bytes_per_pixel, memory_budget
from cerberus_annotate.predict.inference import choose_precision
from cerberus_annotate.predict.stream import network_in
from cerberus_annotate.review.candidates import Bounds
from cerberus_annotate.review.sharpness import sharpness
from cerberus_annotate.review.uncertainty import disagreement, entropy, of_types, over_objects
from cerberus_annotate.review.views import CONTEXT, STEP, Views, look_at
from cerberus_annotate.slide import Slide, read_scaled

LARGEST_BATCH = {"cpu": 4}
LARGEST_BATCH_ELSEWHERE = 64

COARSER = 2
"""Maps are compared on pixels this many times coarser than the grid (1 µm): a shift of an outline by a pixel, which
every view brings, is no disagreement."""


@dataclass(frozen=True)
class Observation:
    """What the network says of one region.

    entropy, disagreement: output name → mean over its objects, 0 to 1. amounts: output name → class text → µm² of it.
    area: µm² of the region. covered: share of it that objects cover. sharpness: see `sharpness`. features: float32
    (channels,).
    """

    entropy: Mapping[str, float]
    disagreement: Mapping[str, float]
    amounts: Mapping[str, Mapping[str, float]]
    area: float
    covered: float
    sharpness: float
    features: NDArray[np.float32]


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
        found: dict[int, Observation] = {}
        for group in self._batches(regions, mpp):
            boxes = [_on_grid(regions[at], self._scale(mpp)) for at in group]
            size = boxes[0].height, boxes[0].width
            pixels = [self._read(slide, mpp, box) for box in boxes]
            views = look_at(self.network, self._stacked(pixels), self.outputs, size)
            sharp = [sharpness(_own_pixels(one, size, self.model.stem_stride)) for one in pixels]
            found |= dict(zip(group, self._summed_up(views, sharp, size), strict=True))
            if told is not None:
                told(len(found))
        return [found[at] for at in range(len(regions))]

    def _scale(self, mpp: tuple[float, float]) -> tuple[float, float]:
        """Level-0 px per px of the grid."""
        return self.model.mpp / mpp[0], self.model.mpp / mpp[1]

    def _batches(self, regions: Sequence[Bounds], mpp: tuple[float, float]) -> Iterator[list[int]]:
        """Places of regions of one size, as many as go together."""
        by_size: dict[tuple[int, int], list[int]] = {}
        for at, region in enumerate(regions):
            box = _on_grid(region, self._scale(mpp))
            by_size.setdefault((box.height, box.width), []).append(at)
        for (height, width), places in by_size.items():
            pixels = (_padded(height) + 2 * CONTEXT) * (_padded(width) + 2 * CONTEXT)
            # half of it is left for the maps of four views
            each = 2 * pixels * bytes_per_pixel(self.network.config, self.dtype)
            most = LARGEST_BATCH.get(self.model.device, LARGEST_BATCH_ELSEWHERE)
            count = max(1, min(most, int(memory_budget(self.model.device) / each)))
            yield from (places[first : first + count] for first in range(0, len(places), count))

    def _read(self, slide: Slide, mpp: tuple[float, float], box: "_GridBox") -> NDArray[np.uint8]:
        finer = self.model.stem_stride
        scale = self._scale(mpp)
        return read_scaled(
            slide,
            (box.left - CONTEXT) * finer,
            (box.top - CONTEXT) * finer,
            (_padded(box.width) + 2 * CONTEXT) * finer,
            (_padded(box.height) + 2 * CONTEXT) * finer,
            (scale[0] / finer, scale[1] / finer),
        )

    def _stacked(self, pixels: Sequence[NDArray[np.uint8]]) -> Tensor:
        stack = torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2).to(self.model.device)
        return stack.to(self.dtype).contiguous(memory_format=torch.channels_last)

    def _summed_up(self, views: Views, sharp: Sequence[float], size: tuple[int, int]) -> Iterator[Observation]:
        classes = self.model.classes
        unsure: dict[str, Tensor] = {}
        apart: dict[str, Tensor] = {}
        amounts: dict[str, dict[str, Tensor]] = {}
        covered = []
        area = (COARSER * self.model.mpp) ** 2
        for task, names in TASK_OUTPUTS.items():
            instances = names[0]
            if instances not in views.probability:
                continue
            probability = _pooled(views.probability[instances], size)
            inside = _inside(probability.shape[-2:], size).to(probability.device)
            objects = 1 - probability[:, :, 0]
            possible, sure = objects.amax(0), (objects.mean(0) > 0.5).float() * inside
            covered.append(sure.sum((1, 2)) / inside.sum())
            amounts[instances] = {class_name(task): sure.sum((1, 2)) * area}
            # before pooling, which would make every outline unsure
            open_pixels = _pooled(entropy(views.probability[instances], 2).mean(0)[None, :, None], size)[0, :, 0]
            unsure[instances] = over_objects(open_pixels, possible, inside)
            apart[instances] = over_objects(disagreement(probability, 2), possible, inside)
            for types in names[1:]:
                if types not in views.probability:
                    continue
                given = of_types(_pooled(views.probability[types], size), 2)
                unsure[types] = over_objects(entropy(given, 2).mean(0), possible, inside)
                apart[types] = over_objects(disagreement(given, 2), possible, inside)
                likeliest = given.mean(0).argmax(1)
                amounts[types] = {
                    class_name(task, index, classes[types]): ((likeliest == index - 1) * sure).sum((1, 2)) * area
                    for index in range(1, len(classes[types]))
                }
        most_covered = torch.stack(covered).amax(0).tolist()
        features = views.features.cpu().numpy()
        for at in range(len(sharp)):
            yield Observation(
                {name: float(values[at]) for name, values in unsure.items()},
                {name: float(values[at]) for name, values in apart.items()},
                {name: {text: float(v[at]) for text, v in of.items()} for name, of in amounts.items()},
                float(inside.sum()) * area,
                most_covered[at],
                sharp[at],
                features[at],
            )


@dataclass(frozen=True)
class _GridBox:
    """A region in px of the network's grid."""

    left: int
    top: int
    width: int
    height: int


def _on_grid(bounds: Bounds, scale: tuple[float, float]) -> _GridBox:
    left, top, right, bottom = bounds
    width, height = max(1, round((right - left) / scale[0])), max(1, round((bottom - top) / scale[1]))
    return _GridBox(round(left / scale[0]), round(top / scale[1]), width, height)


def _padded(side: int) -> int:
    """px of the grid that are computed for a side."""
    return -(-side // STEP) * STEP


def _own_pixels(pixels: NDArray[np.uint8], size: tuple[int, int], finer: int) -> NDArray[np.uint8]:
    """The region without context at the grid's pixel size."""
    own = pixels[CONTEXT * finer : (CONTEXT + size[0]) * finer, CONTEXT * finer : (CONTEXT + size[1]) * finer]
    rows, columns = own.shape[0] // finer, own.shape[1] // finer
    blocks = own[: rows * finer, : columns * finer].reshape(rows, finer, columns, finer, 3)
    return np.asarray(blocks.mean((1, 3)).round(), np.uint8)


def _pooled(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """(views, N, C, h, w) of any head on pixels of `COARSER` px of the grid."""
    views, count, channels, rows, columns = maps.shape
    factor = COARSER * (rows // _padded(size[0]))
    pooled = functional.avg_pool2d(maps.reshape(views * count, channels, rows, columns), factor)
    return pooled.reshape(views, count, channels, *pooled.shape[2:])


def _inside(shape: Sequence[int], size: tuple[int, int]) -> Tensor:
    """1 where the coarser pixels are the region's, 0 where they are what was added to a multiple of 16 px."""
    inside = torch.zeros(*shape)
    inside[: max(1, size[0] // COARSER), : max(1, size[1] // COARSER)] = 1
    return inside
