"""What nobody looked at, out of truth and prediction alike before they are compared."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cerberus_annotate.learn.data.labelled_image import UNLABELLED, LabelledImage
from cerberus_annotate.learn.evaluation.prediction import Prediction


def without_ignored(image: LabelledImage, prediction: Prediction) -> tuple[LabelledImage, Prediction]:
    """Image and prediction without the objects that lie mainly in `image.ignore`, and its pixels of masks unlabelled.

    An object counts, whole, where at least half of its pixels do; so both sides are treated alike.
    """
    ignored = image.ignore
    if ignored is None:
        return image, prediction
    mask = None if image.mask is None else np.where(ignored, np.uint8(UNLABELLED), image.mask)

    def counted(instances: NDArray[np.int32] | None) -> NDArray[np.int32] | None:
        return None if instances is None else mainly_counted(instances, ignored)

    return (
        replace(
            image,
            nuclei=counted(image.nuclei),
            glands=counted(image.glands),
            lumina=counted(image.lumina),
            mask=mask,
        ),
        replace(
            prediction,
            nuclei=counted(prediction.nuclei),
            glands=counted(prediction.glands),
            lumina=counted(prediction.lumina),
        ),
    )


def mainly_counted(instances: NDArray[np.int32], ignored: NDArray[np.bool_]) -> NDArray[np.int32]:
    """An instance map (H, W) without the objects of which more than half is ignored; ids stay."""
    size = int(instances.max(initial=0)) + 1
    pixels = np.bincount(instances.ravel(), minlength=size)
    lost = np.bincount(instances[ignored], minlength=size) * 2 > pixels
    lost[0] = False
    return np.where(lost[instances], 0, instances)
