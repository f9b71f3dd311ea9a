"""Instance maps to what the network learns: inside, contour, and how much each pixel counts."""

import cv2
import numpy as np
from numpy.typing import NDArray

RINGS = {"nuclei": 3, "gland": 11, "lumen": 3}
"""Side in px at 0.5 µm/px of the ellipse that splits an object into inside and contour (Cerberus' settings)."""

INNER_RING = 5
"""The same for nuclei whose contour is their own rim, in px at 0.25 µm/px."""

GAP_WEIGHT = 4.0
"""Added weight of pixels that part two objects; the reference weighs them by distance, up to 10."""

GAP_REACHES = {"nuclei": 7, "gland": 21, "lumen": 7}
"""Side in px at 0.5 µm/px of the ellipse within which two objects count as close."""


def ellipse(side: int) -> NDArray[np.uint8]:
    """OpenCV's elliptical structuring element."""
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)).astype(np.uint8)


def inside_and_contour(instances: NDArray[np.uint16], ring: int, inner: bool = False) -> NDArray[np.uint8]:
    """Class map (H, W): 0 background, 1 inside, 2 contour.

    Inside is each instance eroded by the `ring` ellipse. Contour is the rest of the instance when `inner`, else its
    dilation less its erosion, united over instances, as the reference has it. A pixel is inside when the ellipse
    around it holds its own id alone, so one minimum and one maximum filter do for all instances at once.
    """
    kernel = ellipse(ring)
    highest, lowest = cv2.dilate(instances, kernel), cv2.erode(instances, kernel)
    inside = (instances > 0) & (highest == lowest)
    reached = instances if inner else highest
    return np.where(inside, 1, np.where(reached > 0, 2, 0)).astype(np.uint8)


def gap_weights(instances: NDArray[np.uint16], reach: int) -> NDArray[np.float32]:
    """Weight map (H, W): 1, and 1 + GAP_WEIGHT where a `reach` px ellipse touches two instances or more."""
    kernel = ellipse(reach)
    highest = cv2.dilate(instances, kernel)
    lowest = cv2.erode(np.where(instances > 0, instances, np.uint16(65535)), kernel)
    parting = (highest > 0) & (lowest != 65535) & (highest != lowest)
    return np.where(parting, np.float32(1 + GAP_WEIGHT), np.float32(1))
