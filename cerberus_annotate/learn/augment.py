"""Random crops of labelled images: geometry, stain, blur, noise."""

from dataclasses import replace

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from skimage.color import hed_from_rgb, rgb_from_hed

from cerberus_annotate.learn.datasets import LabelledImage

SCALE = (0.8, 1.25)
SHEAR_DEGREES = 5.0


def random_crop(image: LabelledImage, side: int, rng: Generator) -> LabelledImage:
    """A `side` x `side` px crop under a random rotation, scale, shear and flip; mirrored beyond the image."""
    height, width = image.rgb.shape[:2]
    angle = rng.uniform(0, 2 * np.pi)
    shear = np.tan(np.deg2rad(rng.uniform(-SHEAR_DEGREES, SHEAR_DEGREES)))
    scales = rng.uniform(*SCALE) * rng.uniform(0.95, 1.05, 2)
    flip = rng.choice([-1.0, 1.0])
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = rotation @ np.array([[1, shear], [0, 1]]) @ np.diag([flip / scales[0], 1 / scales[1]])
    reach = side / 2
    centre = np.array([_centre(width, reach, rng), _centre(height, reach, rng)])
    affine = np.column_stack([matrix, centre - matrix @ np.array([reach, reach])])

    def warp(array: NDArray, interpolation: int) -> NDArray:
        return cv2.warpAffine(
            array,
            affine,
            (side, side),
            flags=interpolation | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REFLECT_101,
        )

    def label(array: NDArray | None) -> NDArray | None:
        # warpAffine has no int32, and float32 holds every id up to 2**24
        return None if array is None else warp(array.astype(np.float32), cv2.INTER_NEAREST).astype(array.dtype)

    return replace(
        image,
        rgb=warp(image.rgb, cv2.INTER_LINEAR),
        nuclei=label(image.nuclei),
        glands=label(image.glands),
        nucleus_types=label(image.nucleus_types),
    )


def _centre(length: int, reach: float, rng: Generator) -> float:
    low, high = min(reach * 0.7, length / 2), max(length - reach * 0.7, length / 2)
    return float(rng.uniform(low, high))


def random_colours(rgb: NDArray[np.uint8], rng: Generator) -> NDArray[np.uint8]:
    """Stain shift in HED space (Tellez et al. 2018), brightness, contrast, blur and noise."""
    density = -np.log(np.maximum(rgb, 1).astype(np.float32) / 255)
    stains = density @ hed_from_rgb.astype(np.float32)
    gains = rng.uniform(0.75, 1.3, 3).astype(np.float32)
    shifts = rng.uniform(-0.02, 0.02, 3).astype(np.float32)
    density = (stains * gains + shifts) @ rgb_from_hed.astype(np.float32)
    out = 255 * np.exp(-density)
    if rng.random() < 0.5:
        out = (out - 128) * rng.uniform(0.85, 1.15) + 128 + rng.uniform(-15, 15)
    chance = rng.random()
    if chance < 0.25:
        out = cv2.GaussianBlur(out, (0, 0), rng.uniform(0.3, 1.2))
    elif chance < 0.4:
        out = out + rng.normal(0, rng.uniform(1, 8), out.shape)
    return np.clip(out, 0, 255).astype(np.uint8)
