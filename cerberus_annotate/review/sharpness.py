"""How sharp an image is, whatever its contrast: the share of its variance that the finest detail has."""

import cv2
import numpy as np
from numpy.typing import NDArray

LEAST_SHARE = 0.2
"""Regions less sharp than this share of the median of all are called blurred."""


def sharpness(rgb: NDArray[np.uint8]) -> float:
    """Variance of the Laplacian over the variance of the grey values; 0 for a plain surface.

    rgb: uint8 (h, w, 3). The Laplacian's variance is the usual measure of focus (Pech-Pacheco et al., ICPR 2000); divided
    by the image's own it says nothing of the stain's strength.
    """
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).astype(np.float32)
    variance = float(grey.var())
    return float(cv2.Laplacian(grey, cv2.CV_32F).var()) / variance if variance > 1 else 0.0


def blurred(values: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Which of n regions are out of focus beside the others; values: their sharpness, (n,)."""
    return values < LEAST_SHARE * np.median(values) if len(values) else np.zeros(0, bool)
