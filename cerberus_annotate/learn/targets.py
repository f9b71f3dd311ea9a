"""Instance maps to what the network learns: inside, contour, and how much each pixel counts."""

import cv2
import numpy as np
from numpy.typing import NDArray

NUCLEUS_RING = 3
GLAND_RING = 11
"""Side in px of the structuring element that splits an object into inside and contour (Cerberus' settings)."""

GAP_WEIGHT = 4.0
"""Added weight of pixels that part two objects; the reference weighs them by distance, up to 10."""


def ellipse(side: int) -> NDArray[np.uint8]:
    """OpenCV's elliptical structuring element."""
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)).astype(np.uint8)


def inside_and_contour(instances: NDArray[np.int32], ring: int) -> NDArray[np.uint8]:
    """Class map (H, W): 0 background, 1 inside, 2 contour.

    Inside is each instance eroded by the `ring` ellipse, contour its dilation less that, united over instances.
    A pixel is inside when the ellipse around it holds its own id alone, so one minimum and one maximum filter do
    for all instances at once. Ids up to 65,535.
    """
    labels = instances.astype(np.uint16)
    kernel = ellipse(ring)
    highest, lowest = cv2.dilate(labels, kernel), cv2.erode(labels, kernel)
    inside = (labels > 0) & (highest == lowest)
    return np.where(inside, 1, np.where(highest > 0, 2, 0)).astype(np.uint8)


def gap_weights(instances: NDArray[np.int32], reach: int) -> NDArray[np.float32]:
    """Weight map (H, W): 1, and 1 + GAP_WEIGHT where a `reach` px ellipse touches two instances or more."""
    labels = instances.astype(np.uint16)
    kernel = ellipse(reach)
    highest = cv2.dilate(labels, kernel)
    lowest = cv2.erode(np.where(labels > 0, labels, np.uint16(65535)), kernel)
    parting = (highest > 0) & (lowest != 65535) & (highest != lowest)
    return np.where(parting, np.float32(1 + GAP_WEIGHT), np.float32(1))
