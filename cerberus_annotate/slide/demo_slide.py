"""A real picture to look at first: the colon tissue that scikit-image ships, made into a small H&E-like slide."""

import os

import numpy as np

from cerberus_annotate.slide.pyramid import write_pyramid
from cerberus_annotate.slide.slide import Rgb

DEMO_MPP = 0.5
"""µm/px that the slide is given. The picture's own is not published. Measured on it: the rounder nuclei of the
stroma are 9 to 14 px across (median 11), nuclei of the glands cut across 12 to 14 px. Such nuclei are 6 to 7 µm,
so a pixel is 0.5 to 0.6 µm, and the usual scan with a 20x objective has 0.5."""

HAEMATOXYLIN, EOSIN = (0.5626, 0.7201, 0.4062), (0.2159, 0.8012, 0.5581)
"""Optical density of the two stains in red, green and blue: the reference stains that go with M. Macenko et al.,
A method for normalizing histology slides for quantitative analysis, ISBI 2009."""

HAEMATOXYLIN_AMOUNT, EOSIN_AMOUNT, EOSIN_OF_STROMA = 2.0, 0.32, 0.22
"""By eye: how much of the stain stands for the picture's haematoxylin, its DAB, and whatever else is not glass."""

FAINT_HAEMATOXYLIN = 0.05
"""Optical density of the grey veil over pale stroma, which is no nucleus."""


def write_demo_slide(path: str | os.PathLike[str]) -> None:
    """Write the demo slide, a pyramidal TIFF of 512 × 512 px at DEMO_MPP that OpenSlide and QuPath open."""
    write_pyramid(path, demo_picture(), DEMO_MPP)


def demo_picture() -> Rgb:
    """`skimage.data.immunohistochemistry()` with its DAB shown as eosin: uint8 (512, 512, 3).

    The picture (colonic glands, FHL2 in DAB, haematoxylin) is from the Center for Microscopy and Molecular Imaging,
    without known copyright restrictions; it comes with the scikit-image wheel. It is taken apart by colour
    deconvolution (Ruifrok and Johnston, Anal. Quant. Cytol. Histol. 23, 2001) and put together with other stains,
    so its colours are those of H&E but its contrast is that of an antibody.
    """
    from skimage.color import combine_stains, hdx_from_rgb, separate_stains
    from skimage.data import immunohistochemistry

    picture = immunohistochemistry()
    glass = np.percentile(picture, 99, axis=(0, 1))
    lit = np.clip(picture / glass, 1 / 255, 1)
    to_density = -np.log(1e-6)  # skimage gives amounts as a share of this density
    haematoxylin, dab, _ = np.moveaxis(separate_stains(lit, hdx_from_rgb) * to_density, -1, 0)
    density = -np.log(lit).sum(axis=2)
    stains = np.zeros_like(lit)
    stains[..., 0] = HAEMATOXYLIN_AMOUNT * np.clip(haematoxylin - FAINT_HAEMATOXYLIN, 0, None)
    stains[..., 1] = EOSIN_AMOUNT * np.clip(dab, 0, None) + EOSIN_OF_STROMA * np.minimum(density / 0.5, 1)
    vectors = np.array([HAEMATOXYLIN, EOSIN, np.cross(HAEMATOXYLIN, EOSIN)])
    return np.rint(combine_stains(stains / to_density, vectors) * 245).astype(np.uint8)
