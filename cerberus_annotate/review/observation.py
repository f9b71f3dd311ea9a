"""What the views of a region come to: a few numbers, so that thousands of regions fit in memory."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from cerberus_annotate.network.model import TASK_OUTPUTS
from cerberus_annotate.objects.class_names import class_name
from cerberus_annotate.review.sharpness import glass_share, sharpness
from cerberus_annotate.review.uncertainty import disagreement, entropy, of_types, over_objects
from cerberus_annotate.review.views import STEP, Views

COARSER = 2
"""Maps are compared on pixels this many times coarser than the grid (1 µm): a shift of an outline by a pixel, which
every view brings, is no disagreement."""


@dataclass(frozen=True)
class Observation:
    """What the network says of one region.

    entropy, disagreement: output name → mean over its objects, 0 to 1, 0 where it has next to none. amounts: output
    name → class text → µm² of it. area: µm² of the region. covered: share of it that objects cover; lumina, which glass
    between tissue looks like, only where they are all that is asked for. sharpness, glass: see `sharpness.py`.
    features: float32 (channels,).
    """

    entropy: Mapping[str, float]
    disagreement: Mapping[str, float]
    amounts: Mapping[str, Mapping[str, float]]
    area: float
    covered: float
    sharpness: float
    glass: float
    features: NDArray[np.float32]


def padded(side: int) -> int:
    """px of the grid that are computed for a side."""
    return -(-side // STEP) * STEP


def sum_up(
    views: Views,
    pictures: Sequence[NDArray[np.uint8]],
    classes: Mapping[str, Sequence[str]],
    mpp: float,
    size: tuple[int, int],
) -> Iterator[Observation]:
    """An observation of each of the N regions of `views`.

    pictures: their pixels, `COARSER` times coarser than the grid. classes: channel names by output. mpp: of the grid.
    size: rows and columns of the grid that a region has.
    """
    unsure: dict[str, Tensor] = {}
    apart: dict[str, Tensor] = {}
    amounts: dict[str, dict[str, Tensor]] = {}
    covered: dict[str, Tensor] = {}
    area = (COARSER * mpp) ** 2
    within = 0.0
    for task, names in TASK_OUTPUTS.items():
        instances = names[0]
        if instances not in views.probability:
            continue
        probability = _pooled(views.probability[instances], size)
        inside = _inside(probability.shape[-2:], size).to(probability.device)
        within = float(inside.sum())
        objects = 1 - probability[:, :, 0]
        possible, sure = objects.amax(0), (objects.mean(0) > 0.5).float() * inside
        covered[task] = sure.sum((1, 2)) / within
        # before pooling, which would make every outline unsure
        open_pixels = _pooled(entropy(views.probability[instances], 2).mean(0)[None, :, None], size)[0, :, 0]
        unsure[instances] = over_objects(open_pixels, possible, inside)
        apart[instances] = over_objects(disagreement(probability, 2), possible, inside)
        types = next((name for name in names[1:] if name in views.probability), None)
        if types is None:
            amounts[instances] = {class_name(task): sure.sum((1, 2)) * area}
            continue
        given = of_types(_pooled(views.probability[types], size), 2)
        unsure[types] = over_objects(entropy(given, 2).mean(0), possible, inside)
        apart[types] = over_objects(disagreement(given, 2), possible, inside)
        likeliest = given.mean(0).argmax(1)
        amounts[types] = {
            class_name(task, index, classes[types]): ((likeliest == index - 1) * sure).sum((1, 2)) * area
            for index in range(1, len(classes[types]))
        }
    counted = [share for task, share in covered.items() if task != "lumen"] or list(covered.values())
    most_covered = torch.stack(counted).amax(0).tolist()
    features = views.features.cpu().numpy()
    for at, picture in enumerate(pictures):
        yield Observation(
            entropy={name: float(values[at]) for name, values in unsure.items()},
            disagreement={name: float(values[at]) for name, values in apart.items()},
            amounts={name: {text: float(v[at]) for text, v in of.items()} for name, of in amounts.items()},
            area=within * area,
            covered=most_covered[at],
            sharpness=sharpness(picture),
            glass=glass_share(picture),
            features=features[at],
        )


def _pooled(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """(views, N, C, h, w) of any head on pixels of `COARSER` px of the grid."""
    views, count, channels, rows, columns = maps.shape
    factor = COARSER * (rows // padded(size[0]))
    pooled = functional.avg_pool2d(maps.reshape(views * count, channels, rows, columns), factor)
    return pooled.reshape(views, count, channels, *pooled.shape[2:])


def _inside(shape: Sequence[int], size: tuple[int, int]) -> Tensor:
    """1 where the coarser pixels are the region's, 0 where they are what was added to a multiple of 16 px."""
    inside = torch.zeros(*shape)
    inside[: max(1, size[0] // COARSER), : max(1, size[1] // COARSER)] = 1
    return inside
