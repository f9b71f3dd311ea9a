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

THRESHOLDS = (0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65)
IMAGES = 6
"""Images of a data set that are looked at, evenly spread over it."""


def choose_nucleus_threshold(network: Cerberus, images: Sequence[Sequence[LabelledImage]]) -> tuple[float, list[float]]:
    """The threshold with the highest PQ, and the PQ of each of `THRESHOLDS`: mean over images, then over data sets.

    images: the training images by data set; those without nuclei count for nothing. Raises ValueError where none has.
    """
    found = []
    for some in images:
        spread = sorted({int(i) for i in np.linspace(0, len(some) - 1, min(IMAGES, len(some)))})
        scores = [_qualities(network, image) for image in (some[i] for i in spread) if image.nuclei is not None]
        if scores:
            found.append(np.mean(scores, axis=0))
    if not found:
        raise ValueError("no image has nuclei")
    means = np.mean(found, axis=0)
    return THRESHOLDS[int(means.argmax())], means.round(4).tolist()


def with_nucleus_threshold(config: NetworkConfig, threshold: float) -> NetworkConfig:
    """The configuration with the threshold in its nuclei's head."""
    decoders = tuple(
        replace(d, heads=tuple(replace(h, threshold=threshold) if h.inner_contour else h for h in d.heads))
        for d in config.decoders
    )
    return replace(config, decoders=decoders)


def _qualities(network: Cerberus, image: LabelledImage) -> list[float]:
    assert image.nuclei is not None
    inside, contour = nucleus_probabilities(network, image)
    head = next(h for d in network.config.decoders if d.name == "Nuclei" for h in d.heads if h.kind == "INST")
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
    factor = (image.mpp or config.input_mpp) / config.input_mpp
    size = tuple(max(1, round(side * factor)) for side in image.rgb.shape[1::-1])
    rgb = cv2.resize(image.rgb, size, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC)
    margin, step = config.margin * config.stem_stride, 16 * config.stem_stride
    below, right = (-(side + 2 * margin) % step for side in rgb.shape[:2])
    padded = np.pad(rgb, ((margin, margin + below), (margin, margin + right), (0, 0)), "symmetric")
    pixels = torch.from_numpy(padded).permute(2, 0, 1)[None].float().contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        logits = network(pixels, config.margin, ["Nuclei-INST"])["Nuclei-INST"]
    probability = logits.float().softmax(1)[0, 1:].numpy()
    finer = probability.shape[1] / ((padded.shape[0] - 2 * margin) / config.stem_stride)
    rows, columns = (round(side / config.stem_stride * finer) for side in rgb.shape[:2])
    return probability[0, :rows, :columns], probability[1, :rows, :columns]
