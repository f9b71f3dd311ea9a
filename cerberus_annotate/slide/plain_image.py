"""Plain pictures (PNG, JPEG, BMP, small TIFF …), read whole with Pillow and shown as 8-bit RGB."""

import threading
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from cerberus_annotate.errors import SlideError
from cerberus_annotate.slide.region import Region
from cerberus_annotate.slide.slide import Level, Rgb, Slide, over_white

CONVERTIBLE = {"1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "LAB", "HSV"}
"""Pillow modes of 8 bits a sample; the others (16-bit, float) have no meaning as a stained slide."""


class PlainImage(Slide):
    """A picture with one level, decoded on the first read and kept.

    Its pixel size is None: the densities in PNG and JPEG files are made for print. As in QuPath, an EXIF
    orientation turns nothing.
    """

    def __init__(self, path: Path, image: Any) -> None:
        self._image = image
        self._pixels: Rgb | None = None
        self._lock = threading.Lock()
        super().__init__(
            path, (Level(1.0, *image.size),), mpp=None, magnification=None, format=f"pillow: {image.format}"
        )

    def _read_inside(self, region: Region, level: int) -> Rgb:
        with self._lock:
            if self._pixels is None:
                self._pixels = self._decode()
                self._image.close()
            pixels = self._pixels
        return pixels[region.y : region.y + region.height, region.x : region.x + region.width].copy()

    def _decode(self) -> Rgb:
        try:
            return to_rgb(self._image)
        except Exception as error:  # Pillow's decoders raise OSError, SyntaxError, ValueError, zlib.error …
            raise SlideError(
                f"{self.path}: the picture cannot be decoded ({error}). The file is damaged or incomplete; "
                "copy it again from its source."
            ) from error

    def close(self) -> None:
        self._image.close()


def to_rgb(image: Any) -> Rgb:
    """A Pillow image of 8 bits a sample as uint8 (h, w, 3); alpha is laid over white."""
    if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        return over_white(np.asarray(image.convert("RGBA")))
    return np.array(image.convert("RGB"))


def open_with_pillow(path: Path) -> PlainImage:
    """Open a picture. Raises SlideError where Pillow cannot, or where it is too large to be read whole."""
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            # Pillow warns at half the size at which it refuses; that much fits
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(path)
    except Image.DecompressionBombError as error:
        raise SlideError(
            f"{path}: the picture is too large to be read whole ({error}). Save it as a tiled, pyramidal TIFF "
            "(for instance with QuPath or vips) and use that."
        ) from error
    except UnidentifiedImageError:
        raise SlideError(
            f"{path}: is no image that OpenSlide, tifffile or Pillow can read. Use a slide format that OpenSlide "
            "knows, OME-TIFF, TIFF, PNG or JPEG."
        ) from None
    except Exception as error:
        raise SlideError(
            f"{path}: the picture cannot be opened ({error}). The file is damaged or incomplete; copy it again "
            "from its source."
        ) from error
    if image.mode not in CONVERTIBLE:
        mode = image.mode
        image.close()
        raise SlideError(
            f"{path}: has pixels of Pillow's kind {mode!r} (16-bit or floating point). Only 8-bit colour images "
            "of stained slides can be pre-labelled; export it as 8-bit RGB, or leave it out."
        )
    return PlainImage(path, image)
