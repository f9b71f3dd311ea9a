"""Lumina that no one drew: the pale areas inside drawn glands."""

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

PALE = 0.25
"""Optical density (natural logarithm, mean of the channels) relative to white below which tissue counts as empty."""

SMALLEST = 120.0
"""µm² of the smallest lumen."""

DEPTH = 3.0
"""µm from a gland's outline within which nothing counts as its lumen."""


def weak_lumina(rgb: NDArray[np.uint8], glands: NDArray[np.int32], mpp: float) -> NDArray[np.int32]:
    """Instance map (H, W) of pale areas inside annotated glands, at least `SMALLEST` and off the gland's rim.

    These are no annotations: mucus, goblet cells that stand close and torn tissue can be among them.
    """
    white = np.percentile(rgb, 99.5, axis=(0, 1))
    smooth = cv2.GaussianBlur(rgb, (0, 0), 1.0 / mpp).astype(np.float32)
    density = -np.log(np.clip(smooth / np.maximum(white, 200), 1 / 255, 1)).mean(2)
    deep = cv2.distanceTransform((glands > 0).astype(np.uint8), cv2.DIST_L2, 5) * mpp > DEPTH
    pale = (density < PALE) & deep
    pale = cv2.morphologyEx(pale.astype(np.uint8), cv2.MORPH_CLOSE, _disc(3.0 / mpp))
    pale = cv2.morphologyEx(ndimage.binary_fill_holes(pale).astype(np.uint8), cv2.MORPH_OPEN, _disc(1.5 / mpp))
    labels, count = ndimage.label((pale > 0) & deep)
    areas = np.bincount(labels.ravel(), minlength=count + 1) * mpp**2
    kept = areas >= SMALLEST
    kept[0] = False
    return np.where(kept, np.cumsum(kept), 0).astype(np.int32)[labels]


def _disc(radius: float) -> NDArray[np.uint8]:
    side = 2 * max(1, round(radius)) + 1
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)).astype(np.uint8)
