"""Random looks of the same tissue: stain, brightness, sharpness, compression."""

from typing import Any

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from skimage.color import hed_from_rgb, rgb_from_hed

STAIN_GAIN = (0.75, 1.3)
STAIN_SHIFT = 0.02
CHANCES = {"light": 0.5, "coarse": 0.2, "blur": 0.2, "noise": 0.15, "jpeg": 0.15}

DENSITY = -np.log(np.maximum(np.arange(256), 1) / 255).astype(np.float32)
"""Optical density (natural logarithm) of the 256 grey levels."""


def random_colours(rgb: NDArray[np.uint8], rng: Generator) -> NDArray[np.uint8]:
    """Stain shift in HED space (Tellez et al. 2018), brightness and contrast, half resolution, blur, noise, JPEG."""
    gains, shifts = rng.uniform(*STAIN_GAIN, 3), rng.uniform(-STAIN_SHIFT, STAIN_SHIFT, 3)
    out: NDArray[Any] = stained(rgb, gains, shifts)
    drawn = {name: rng.random() < chance for name, chance in CHANCES.items()}
    if drawn["light"]:
        out = cv2.convertScaleAbs(out, alpha=(c := rng.uniform(0.85, 1.15)), beta=128 * (1 - c) + rng.uniform(-15, 15))
    if drawn["coarse"]:
        half = cv2.resize(out, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        out = cv2.resize(half, out.shape[1::-1], interpolation=cv2.INTER_CUBIC)
    if drawn["blur"]:
        out = cv2.GaussianBlur(out, (0, 0), rng.uniform(0.5, 2.0))
    if drawn["noise"]:
        noise = rng.standard_normal(out.shape, np.float32) * np.float32(rng.uniform(1, 8))
        out = np.clip(out + noise, 0, 255).astype(np.uint8)
    if drawn["jpeg"]:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(40, 90))]
        out = np.asarray(cv2.imdecode(cv2.imencode(".jpg", out, quality)[1], cv2.IMREAD_COLOR))
    return out


def stained(rgb: NDArray[np.uint8], gains: NDArray[np.float64], shifts: NDArray[np.float64]) -> NDArray[np.uint8]:
    """The image with its haematoxylin, eosin and third stain each times a gain plus a shift; uint8 (H, W, 3)."""
    mixing = (hed_from_rgb * gains) @ rgb_from_hed
    affine = np.column_stack([mixing.T, shifts @ rgb_from_hed]).astype(np.float32)
    density = cv2.transform(DENSITY[rgb], affine)
    light: NDArray[np.float32] = cv2.exp(-density) * np.float32(255)
    return np.clip(light, 0, 255).astype(np.uint8)
