"""The thresholds by which nuclei are cut out, chosen on labelled images after training."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from cerberus_annotate.learn.data.labelled_image import LabelledImage
from cerberus_annotate.learn.evaluation.ignoring import mainly_counted
from cerberus_annotate.learn.evaluation.metrics import overlap, panoptic_quality
from cerberus_annotate.network.cerberus import Cerberus
from cerberus_annotate.network.config import HeadConfig, NetworkConfig
from cerberus_annotate.objects.instances import rimmed_nucleus_instances
from cerberus_annotate.predict.pixels import network_input

OUTLINES = (0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65)
MARKERS = (0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85)
SURES = (0.65, 0.7, 0.75, 0.8)
"""Not higher: from there on most nuclei of another laboratory may be lost."""
IMAGES = 6
"""Images of a data set that are looked at, evenly spread over it."""


@dataclass(frozen=True)
class Thresholds:
    """outline: probability from which a pixel belongs to a nucleus.  marker: probability of inside from which it
    belongs to the middle of one.  sure: least mean probability of a nucleus.
    """

    outline: float
    marker: float
    sure: float


@dataclass(frozen=True)
class NucleusMaps:
    """inside, contour: probabilities, float16 (h, w), `finer` times as fine as the network's grid.  truth, ignore: int
    and bool (H, W) on the image's own pixels.
    """

    inside: NDArray[np.float16]
    contour: NDArray[np.float16]
    finer: int
    truth: NDArray[Any]
    ignore: NDArray[np.bool_] | None


def choose_thresholds(network: Cerberus, images: Sequence[Sequence[LabelledImage]]) -> Thresholds | None:
    """The best outline on the training images, by data set; None where none has nuclei.

    The marker stays: the best ones of different data sets lie far apart, and a mean would serve none of them. So does
    what is sure: on images that were learnt from, a network is surer than on others.
    """
    found = [[nucleus_maps(network, image) for image in looked_at(some) if image.nuclei is not None] for some in images]
    maps = [some for some in found if some]
    return best_outline(maps, thresholds_of(network.config))[0] if maps else None


def best_thresholds(maps: Sequence[Sequence[NucleusMaps]], own: Thresholds) -> tuple[Thresholds, float]:
    """The thresholds with the highest PQ, mean over images, then over data sets, and that PQ.

    The best marker at the outline of `own`, then the best outline at that marker, then how sure a nucleus must be;
    `own` where no other is better.
    """
    best, highest = _better(maps, own, quality(maps, own), [replace(own, marker=marker) for marker in MARKERS])
    best, highest = _better(maps, best, highest, [replace(best, outline=outline) for outline in OUTLINES])
    return _better(maps, best, highest, [replace(best, sure=sure) for sure in SURES])


def best_outline(maps: Sequence[Sequence[NucleusMaps]], own: Thresholds) -> tuple[Thresholds, float]:
    """The outline with the highest PQ at the other thresholds of `own`, as in `best_thresholds`."""
    return _better(maps, own, quality(maps, own), [replace(own, outline=outline) for outline in OUTLINES])


def _better(
    maps: Sequence[Sequence[NucleusMaps]], best: Thresholds, highest: float, others: Sequence[Thresholds]
) -> tuple[Thresholds, float]:
    """The best of `best`, whose PQ is `highest`, and `others`, and its PQ; each of them is tried once."""
    for tried in others:
        if tried != best and (found := quality(maps, tried)) > highest:
            best, highest = tried, found
    return best, highest


def quality(maps: Sequence[Sequence[NucleusMaps]], thresholds: Thresholds) -> float:
    """PQ of nuclei that are cut out so, mean over images, then over data sets."""
    return float(np.mean([np.mean([_quality(one, thresholds) for one in some]) for some in maps]))


def looked_at(images: Sequence[LabelledImage]) -> list[LabelledImage]:
    """`IMAGES` of them at most, evenly spread."""
    return [images[i] for i in sorted({int(i) for i in np.linspace(0, len(images) - 1, min(IMAGES, len(images)))})]


def thresholds_of(config: NetworkConfig) -> Thresholds:
    """Those of the nuclei's head, which the configuration must have."""
    assert config.nucleus_head is not None
    head = config.nucleus_head
    return Thresholds(head.threshold, head.marker, head.sure)


def with_thresholds(config: NetworkConfig, thresholds: Thresholds) -> NetworkConfig:
    """The configuration with the thresholds in its nuclei's head."""

    def changed(head: HeadConfig) -> HeadConfig:
        if not head.inner_contour:
            return head
        return replace(head, threshold=thresholds.outline, marker=thresholds.marker, sure=thresholds.sure)

    decoders = tuple(replace(d, heads=tuple(changed(head) for head in d.heads)) for d in config.decoders)
    return replace(config, decoders=decoders)


def nucleus_maps(network: Cerberus, image: LabelledImage) -> NucleusMaps:
    """What a network says of an image that has nuclei labelled."""
    config, head = network.config, network.config.nucleus_head
    assert image.nuclei is not None
    assert head is not None
    pixels, own = network_input(image.rgb, image.mpp, network, config.margin * config.stem_stride)
    with torch.inference_mode():
        logits = network(pixels, config.margin, ["Nuclei-INST"])["Nuclei-INST"]
    probability = logits.float().softmax(1)[0, 1:].half().cpu().numpy()
    rows, columns = (round(side * head.finer / config.stem_stride) for side in own)
    inside, contour = probability[:, :rows, :columns]
    return NucleusMaps(inside, contour, head.finer, image.nuclei, image.ignore)


def _quality(maps: NucleusMaps, thresholds: Thresholds) -> float:
    inside, contour = maps.inside.astype(np.float32), maps.contour.astype(np.float32)
    labels = rimmed_nucleus_instances(inside, contour, thresholds.outline, thresholds.marker, maps.finer)
    labels = _sure_ones(labels, inside + contour, thresholds.sure)
    truth = maps.truth
    found: NDArray[Any] = cv2.resize(labels, truth.shape[::-1], interpolation=cv2.INTER_NEAREST_EXACT)
    if maps.ignore is not None:
        truth, found = mainly_counted(truth, maps.ignore), mainly_counted(found, maps.ignore)
    return panoptic_quality(overlap(truth, found))[0]


def _sure_ones(labels: NDArray[Any], probability: NDArray[np.float32], sure: float) -> NDArray[Any]:
    """The objects whose mean probability is at least `sure`."""
    pixels = np.maximum(np.bincount(labels.ravel()), 1)
    kept = np.bincount(labels.ravel(), probability.ravel()) / pixels >= sure
    kept[0] = False
    return np.where(kept[labels], labels, 0)
