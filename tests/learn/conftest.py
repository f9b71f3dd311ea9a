"""Made-up tissue: purple discs on pink with their labels."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from numpy.random import default_rng

from cerberus_annotate.learn.data.labelled_image import LabelledImage

MakeImage = Callable[..., LabelledImage]


@pytest.fixture
def make_image() -> MakeImage:
    """An image of a seed with nuclei of 10 px on 0.25 µm/px and types, or whatever is asked for."""

    def make(seed: int, side: int = 256, count: int = 25, radius: int = 10, **changes: object) -> LabelledImage:
        rng = default_rng(seed)
        rgb = rng.normal((235, 190, 215), 6, (side, side, 3)).clip(0, 255).astype(np.uint8)
        labels = np.zeros((side, side), np.int32)
        for index, (x, y) in enumerate(rng.integers(radius, side - radius, (count, 2)).tolist(), start=1):
            cv2.circle(rgb, (x, y), radius, (90, 50, 140), -1)
            cv2.circle(labels, (x, y), radius, index, -1)
        fields: dict[str, object] = {
            "name": f"made-{seed}",
            "dataset": "made",
            "split": "train",
            "mpp": 0.25,
            "rgb": rgb,
            "nuclei": labels,
            "nucleus_types": np.where(labels > 0, 2, 0).astype(np.uint8),
        }
        return LabelledImage(**{**fields, **changes})  # type: ignore[arg-type]

    return make
