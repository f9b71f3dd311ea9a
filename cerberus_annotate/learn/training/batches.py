"""Batches that mix data sets and tasks: every head gets the crops that are labelled for it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.random import Generator, default_rng
from torch import Tensor

from cerberus_annotate.learn.data.label_names import head_indices
from cerberus_annotate.learn.data.labelled_image import UNLABELLED, LabelledImage
from cerberus_annotate.learn.training.colours import random_colours
from cerberus_annotate.learn.training.crops import Crop, Grid, random_crop
from cerberus_annotate.learn.training.heads import Heads
from cerberus_annotate.learn.training.targets import (
    GAP_REACHES,
    INNER_RING,
    RINGS,
    gap_weights,
    inside_and_contour,
)

INSTANCES = {"nuclei": "nuclei", "gland": "glands", "lumen": "lumina"}


@dataclass(frozen=True)
class Batch:
    """rgb: uint8 (N, 3, H, W).  rows, targets, weights by task: which of the N images are labelled for it, int64 (n,),
    what they should give, int64 (n, …), and for instances how much each pixel counts, float32.  names: of the images.
    """

    rgb: Tensor
    rows: dict[str, Tensor]
    targets: dict[str, Tensor]
    weights: dict[str, Tensor]
    names: tuple[str, ...]

    def to(self, device: torch.device) -> "Batch":
        """The batch on a device."""

        def moved(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
            return {task: tensor.to(device, non_blocking=True) for task, tensor in tensors.items()}

        return Batch(
            self.rgb.to(device, non_blocking=True),
            moved(self.rows),
            moved(self.targets),
            moved(self.weights),
            self.names,
        )


def draw_images(
    images: Sequence[Sequence[LabelledImage]], shares: Sequence[float], count: int, rng: Generator
) -> list[LabelledImage]:
    """`count` images, the data sets as nearly by their shares as that count allows (systematic sampling)."""
    edges = np.cumsum(shares) / np.sum(shares)
    places = (np.arange(count) + rng.random()) / count
    sets = np.minimum(np.searchsorted(edges, places, side="right"), len(images) - 1)
    return [images[s][int(rng.integers(len(images[s])))] for s in sets.tolist()]


def make_batch(
    images: Sequence[Sequence[LabelledImage]],
    shares: Sequence[float],
    grid: Grid,
    heads: Heads,
    count: int,
    seed: Sequence[int],
) -> Batch:
    """The batch of a seed: the same images, crops and colours whenever it is asked for."""
    rng = default_rng(list(seed))
    drawn = draw_images(images, shares, count, rng)
    crops = [random_crop(image, grid, rng) for image in drawn]
    crops = [replace(crop, rgb=random_colours(crop.rgb, rng)) for crop in crops]
    return batch_of(crops, heads, tuple(f"{image.dataset}/{image.name}" for image in drawn))


def batch_of(crops: Sequence[Crop], heads: Heads, names: tuple[str, ...]) -> Batch:
    """The targets of crops for the heads of a network."""
    rows: dict[str, list[int]] = {}
    targets: dict[str, list[np.ndarray]] = {}
    weights: dict[str, list[np.ndarray]] = {}
    for row, crop in enumerate(crops):
        for task in heads.tasks:
            found = _target(crop, task, heads)
            if found is None:
                continue
            rows.setdefault(task, []).append(row)
            targets.setdefault(task, []).append(found[0])
            if found[1] is not None:
                weights.setdefault(task, []).append(found[1])
    return Batch(
        torch.from_numpy(np.stack([crop.rgb for crop in crops])).permute(0, 3, 1, 2),
        {task: torch.tensor(found) for task, found in rows.items()},
        {task: torch.from_numpy(np.stack(found)).long() for task, found in targets.items()},
        {task: torch.from_numpy(np.stack(found)) for task, found in weights.items()},
        names,
    )


def _target(crop: Crop, task: str, heads: Heads) -> tuple[np.ndarray, np.ndarray | None] | None:
    """What a crop teaches a task, and the weight of its pixels; None where it has no label for it.

    Pixels to ignore weigh 0 for instances and are unlabelled for all else; the objects drawn on them still shape the
    contours and gaps beside them.
    """
    if task in INSTANCES:
        instances = getattr(crop, INSTANCES[task])
        if instances is None:
            return None
        head = heads.of(task)
        ring = INNER_RING if head.inner_contour else RINGS[task]
        reach = GAP_REACHES[task] * head.finer
        weights = gap_weights(instances, reach)
        ignored = crop.ignored_nuclei if task == "nuclei" else crop.ignore
        if ignored is not None:
            weights = np.where(ignored, np.float32(0), weights)
            if not weights.any():
                return None
        return inside_and_contour(instances, ring, head.inner_contour), weights
    if task == "nucleus-types":
        return _types(crop.nucleus_types, crop.ignore, crop.nucleus_labels, heads.of(task).classes)
    if task == "gland-types":
        return _types(crop.gland_types, crop.ignore, crop.gland_labels, heads.of(task).classes)
    if task == "mask":
        if crop.mask is None:
            return None
        return (crop.mask if crop.ignore is None else np.where(crop.ignore, UNLABELLED, crop.mask)), None
    known = heads.patch_classes
    return None if crop.patch_class not in known else (np.array(known.index(crop.patch_class)), None)


def _types(
    types: np.ndarray | None, ignored: np.ndarray | None, labels: Sequence[str], classes: Sequence[str]
) -> tuple[np.ndarray, None] | None:
    if types is None:
        return None
    found = head_indices(labels, classes)[types]
    if ignored is not None:
        found = np.where(ignored, 0, found)
    return (found, None) if found.any() else None
