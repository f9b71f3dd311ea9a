"""The threshold of the nuclei's outlines, chosen on training images after training."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from cerberus_annotate.learn.data.labelled_image import LabelledImage
from cerberus_annotate.learn.evaluation.ignoring import mainly_counted
from cerberus_annotate.learn.evaluation.metrics import overlap, panoptic_quality
from cerberus_annotate.network.cerberus import Cerberus
from cerberus_annotate.network.config import NetworkConfig
from cerberus_annotate.objects.instances import rimmed_nucleus_instances
from cerberus_annotate.predict.pixels import network_input

THRESHOLDS = (0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65)
IMAGES = 6
"""Images of a data set that are looked at, evenly spread over it."""


def choose_nucleus_threshold(network: Cerberus, images: Sequence[Sequence[LabelledImage]]) -> float | None:
    """Of `THRESHOLDS` the one with the highest PQ, mean over images, then over data sets; None where none has nuclei.

    images: the training images by data set.
    """
    found = []
    for some in images:
        scores = [nucleus_qualities(network, image) for image in looked_at(some) if image.nuclei is not None]
        if scores:
            found.append(np.mean(scores, axis=0))
    return THRESHOLDS[int(np.mean(found, axis=0).argmax())] if found else None


def looked_at(images: Sequence[LabelledImage]) -> list[LabelledImage]:
    """`IMAGES` of them at most, evenly spread."""
    return [images[i] for i in sorted({int(i) for i in np.linspace(0, len(images) - 1, min(IMAGES, len(images)))})]


def with_nucleus_threshold(config: NetworkConfig, threshold: float) -> NetworkConfig:
    """The configuration with the threshold in its nuclei's head."""
    decoders = tuple(
        replace(d, heads=tuple(replace(h, threshold=threshold) if h.inner_contour else h for h in d.heads))
        for d in config.decoders
    )
    return replace(config, decoders=decoders)


def nucleus_qualities(network: Cerberus, image: LabelledImage) -> list[float]:
    """PQ of the nuclei of an image that has them labelled, for each of `THRESHOLDS`."""
    assert image.nuclei is not None
    inside, contour = nucleus_probabilities(network, image)
    head = network.config.nucleus_head
    assert head is not None
    qualities = []
    for threshold in THRESHOLDS:
        labels = rimmed_nucleus_instances(inside, contour, threshold, head.finer)
        found: NDArray[Any] = cv2.resize(labels, image.nuclei.shape[::-1], interpolation=cv2.INTER_NEAREST_EXACT)
        truth = image.nuclei
        if image.ignore is not None:
            truth, found = mainly_counted(truth, image.ignore), mainly_counted(found, image.ignore)
        qualities.append(panoptic_quality(overlap(truth, found))[0])
    return qualities


def nucleus_probabilities(network: Cerberus, image: LabelledImage) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Probabilities of inside and contour, float32, on the pixels of the nuclei's head."""
    config = network.config
    assert config.nucleus_head is not None
    pixels, own = network_input(image.rgb, image.mpp, network, config.margin * config.stem_stride)
    with torch.inference_mode():
        logits = network(pixels, config.margin, ["Nuclei-INST"])["Nuclei-INST"]
    probability = logits.float().softmax(1)[0, 1:].cpu().numpy()
    rows, columns = (round(side * config.nucleus_head.finer / config.stem_stride) for side in own)
    return probability[0, :rows, :columns], probability[1, :rows, :columns]
