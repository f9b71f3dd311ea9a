"""Writing an RGB image as a slide: a tiled, pyramidal TIFF that OpenSlide and QuPath open."""

import os
from pathlib import Path

import numpy as np

from cerberus_annotate.slide.slide import Rgb

TILE = 256
"""Side of the TIFF tiles in px; levels are halved until one tile holds the whole image."""


def write_pyramid(path: str | os.PathLike[str], rgb: Rgb, mpp: float | tuple[float, float] | None) -> None:
    """Write uint8 (h, w, 3) with levels at 1/2, 1/4 … losslessly (deflate); OpenSlide reads it as generic TIFF.

    mpp: µm/px, one number or (x, y), written as resolution tags; None leaves the file without a pixel size.
    An existing file is replaced only once the new one is complete.
    """
    import tifffile

    target = Path(path)
    partial = target.with_name(target.name + ".partial")
    mpp_xy = (mpp, mpp) if isinstance(mpp, int | float) else mpp
    resolution = None if mpp_xy is None else (1e4 / mpp_xy[0], 1e4 / mpp_xy[1])
    try:
        with tifffile.TiffWriter(partial, bigtiff=rgb.nbytes > 2 << 30) as tiff:
            level = rgb
            while True:
                tiff.write(
                    level,
                    photometric="rgb",
                    tile=(TILE, TILE),
                    compression="adobe_deflate",
                    predictor=True,
                    resolution=resolution,
                    resolutionunit=None if resolution is None else "CENTIMETER",
                    subfiletype=0 if level is rgb else 1,
                    metadata=None,
                )
                if max(level.shape[:2]) <= TILE:
                    break
                level = halved(level)
                if resolution is not None:
                    resolution = (resolution[0] / 2, resolution[1] / 2)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def halved(rgb: Rgb) -> Rgb:
    """Each 2 × 2 block averaged; an odd last row or column is cut off, as slide scanners do."""
    height, width = rgb.shape[0] // 2 * 2, rgb.shape[1] // 2 * 2
    if not (height and width):
        return rgb[:: 2 if height else 1, :: 2 if width else 1]
    even = rgb[:height, :width].astype(np.uint16)
    total = even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]
    return ((total + 2) // 4).astype(np.uint8)
