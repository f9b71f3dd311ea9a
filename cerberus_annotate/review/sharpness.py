"""Whether a picture is worth looking at: how sharp it is, and how much of it is glass."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

LEAST_SHARE = 0.2
"""Regions less sharp than this share of their slide's median are called blurred. A blur of 0.75 µm (standard deviation)
takes sharp images of CoNSeP to 0.1 to 0.17 of their own sharpness; images of one set differ by a factor of 2 to 3."""

LEAST = 0.06
"""Less sharp than this is blurred on any slide: at 1 µm/px what is in focus has from 0.1 (upsampled 20x images of
DSB 2018) over 0.5 (GlaS) to 5 (CoNSeP)."""

ENOUGH = 8
"""A slide's own median is known from so many regions on."""

GLASS = (200, 25)
"""Glass is at least so bright in all channels and differs by at most so much between them (of 255)."""


def sharpness(rgb: NDArray[np.uint8]) -> float:
    """Variance of the Laplacian over the variance of the grey values: the share that the finest detail has of what
    varies; 0 for a plain surface.

    rgb: uint8 (h, w, 3), at about 1 µm/px, so that 20x and 40x slides compare. The Laplacian's variance is the usual
    measure of focus (Pech-Pacheco et al., ICPR 2000); divided by the image's own the stain's strength takes no part.
    """
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).astype(np.float32)
    variance = float(grey.var())
    return float(cv2.Laplacian(grey, cv2.CV_32F).var()) / variance if variance > 1 else 0.0


def blurred(values: NDArray[np.floating], slides: Sequence[str]) -> NDArray[np.bool_]:
    """Which of n regions are out of focus; values: their sharpness, (n,), slides: the slide of each."""
    found = values < LEAST
    slide = np.asarray(slides, str)
    for name in np.unique(slide):
        own = slide == name
        if own.sum() >= ENOUGH:
            found[own] |= values[own] < LEAST_SHARE * np.median(values[own])
    return found


def glass_share(rgb: NDArray[np.uint8]) -> float:
    """The share of a picture, uint8 (h, w, 3), that is bright and colourless: glass, the inside of lumina, fat."""
    low, high = rgb.min(2), rgb.max(2)
    return float(((low >= GLASS[0]) & (high - low <= GLASS[1])).mean())
