"""Pictures and label maps as people have them, to arrays of one kind: RGB, instance ids, class indices."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.measure import label as connected_components

from cerberus_annotate.errors import UsageError
from cerberus_annotate.slide.opening import open_slide
from cerberus_annotate.slide.plain_image import open_with_pillow
from cerberus_annotate.slide.region import Region
from cerberus_annotate.slide.slide import Rgb

PLAIN = {".png", ".jpg", ".jpeg", ".bmp"}
"""Suffixes that need no slide reader."""

LARGEST = 400_000_000
"""Pixels of a picture that is still read whole; a labelled image is a field of view, not a slide."""

BINARY = 128
"""From this grey value on a pixel of a two-coloured mask is foreground; edges are grey in masks that were resized."""


def read_picture(path: Path) -> tuple[Rgb, float | None]:
    """A picture or slide as uint8 (H, W, 3), and its µm/px where the file says it.

    Grey, palette and CMYK become RGB, alpha is laid over white, a 16-bit colour PNG loses its lower 8 bits. Raises
    SlideError where the file is damaged or of 16 bits otherwise, UsageError where it is missing or too large to be a
    labelled image.
    """
    if not path.is_file():
        raise UsageError(f"{path}: no such image. Check the path, or take it out of the data set.")
    slide = open_with_pillow(path) if path.suffix.lower() in PLAIN else open_slide(path)
    with slide:
        if slide.width * slide.height > LARGEST:
            raise UsageError(
                f"{path}: is {slide.width} x {slide.height} px, too large for a labelled image. Cut the labelled parts "
                "out of the slide."
            )
        mpp = None if slide.mpp is None else (slide.mpp[0] + slide.mpp[1]) / 2
        return slide.read(Region(0, 0, slide.width, slide.height)), mpp


def read_instances(path: Path, like: tuple[int, int], image: str) -> NDArray[np.int32]:
    """An instance map, int32 (H, W), 0 is background; colour-coded ids are read as R + 256 G + 65536 B.

    A boolean or black-and-white mask gives one instance per connected component. `like` is the (height, width) of
    `image`, which names it. Raises UsageError where the sizes differ or the file holds no label map.
    """
    values = _values(path)
    check_size(values.shape[:2], path, like, image)
    if values.dtype == bool or set(np.unique(values)) == {0, 255}:
        return connected_components(values > 0, connectivity=1).astype(np.int32)
    return values.astype(np.int32)


def read_classes(path: Path, like: tuple[int, int], image: str) -> NDArray[np.uint8]:
    """A map of class indices, uint8 (H, W). Raises UsageError where sizes differ or a value is above 255."""
    values = _values(path)
    check_size(values.shape[:2], path, like, image)
    if values.size and values.max() > 255:
        raise UsageError(
            f"{path}: holds the value {values.max()}; a map of classes has values 0 to 255. Where it is colour coded, "
            "save the class's number in each pixel as an 8-bit PNG."
        )
    return values.astype(np.uint8)


def read_foreground(path: Path, like: tuple[int, int], image: str) -> NDArray[np.uint8]:
    """A two-class mask, uint8 (H, W) of 0 and 1, from 0/1 or from black and white with or without grey edges."""
    values = read_classes(path, like, image)
    return (values >= (BINARY if values.max(initial=0) > 1 else 1)).astype(np.uint8)


def read_mat(path: Path, needed: Collection[str] = ()) -> dict[str, Any]:
    """The variables of a MATLAB file. Raises UsageError where it is none, is of version 7.3, or lacks one `needed`."""
    from scipy.io import loadmat

    if not path.is_file():
        raise UsageError(f"{path}: no such label. Check the path, or take its image out of the data set.")
    try:
        content: dict[str, Any] = loadmat(path)
    except NotImplementedError:
        raise UsageError(f"{path}: is a MATLAB file of version 7.3; save it with `-v7`.") from None
    except Exception as error:
        raise UsageError(f"{path}: cannot be read as a MATLAB file ({error}).") from error
    missing = sorted(set(needed) - content.keys())
    if missing:
        raise UsageError(f"{path}: has no variable {', '.join(missing)}. Copy it again from its source.")
    return content


def mat_variables(path: Path) -> set[str]:
    """Names of the variables in a MATLAB file, none where it cannot be read."""
    from scipy.io import whosmat

    try:
        return {name for name, _, _ in whosmat(path)}
    except Exception:  # scipy raises ValueError, TypeError, struct.error … for what is no such file
        return set()


def check_size(shape: tuple[int, ...], label: Path, like: tuple[int, int], image: str) -> None:
    """Raises UsageError where a label's (height, width) is not its image's."""
    if tuple(shape) != tuple(like):
        raise UsageError(
            f"The label {label} is {shape[1]} x {shape[0]} px, but its image {image} is {like[1]} x {like[0]} px. "
            "Give a label of the image's size."
        )


def as_label(values: NDArray[Any], path: Path) -> NDArray[Any]:
    """(H, W) whole numbers or booleans from an array as a file holds it. Raises UsageError where it is no label map.

    Colours become R + 256 G + 65536 B, a grey picture saved as colour its grey value.
    """
    if values.ndim == 3 and values.shape[2] == 1:
        values = values[..., 0]
    if values.ndim == 3 and values.shape[2] in (3, 4) and values.dtype == np.uint8:
        red, green, blue = (values[..., channel].astype(np.int32) for channel in range(3))
        grey = (red == green).all() and (green == blue).all()
        values = red if grey else red + 256 * green + 65536 * blue
    if values.ndim != 2:
        raise UsageError(f"{path}: holds an array of shape {values.shape}; a label map has one number a pixel.")
    if values.dtype == bool:
        return values
    if values.dtype.kind not in "iuf" or not np.isfinite(values).all() or (values != np.floor(values)).any():
        raise UsageError(f"{path}: holds numbers that are not whole; a label map holds ids or classes.")
    if values.size and (values.min() < 0 or values.max() > np.iinfo(np.int32).max):
        raise UsageError(f"{path}: holds {values.min()} to {values.max()}; ids and classes start at 0 and fit 32 bits.")
    return values.astype(np.int32) if values.dtype.kind == "f" else values


def _values(path: Path) -> NDArray[Any]:
    """The label map of a picture, .npy or .mat file, as `as_label`."""
    suffix = path.suffix.lower()
    if not path.is_file():
        raise UsageError(f"{path}: no such label. Check the path, or take its image out of the data set.")
    if suffix == ".mat":
        return _from_mat(path)
    if suffix in (".jpg", ".jpeg"):
        raise UsageError(f"{path}: a label saved as JPEG has lost its exact values; save it as PNG.")
    try:
        values = _decoded(path, suffix)
    except Exception as error:  # numpy, tifffile and Pillow raise whatever a damaged file leads them to
        raise UsageError(
            f"{path}: cannot be read as a label map ({error}). Give a PNG, TIFF, BMP, .npy or .mat."
        ) from error
    return as_label(values, path)


def _decoded(path: Path, suffix: str) -> NDArray[Any]:
    if suffix == ".npy":
        return np.asarray(np.load(path, allow_pickle=False))
    if suffix in (".tif", ".tiff"):
        import tifffile

        return np.asarray(tifffile.imread(path))
    from PIL import Image

    with Image.open(path) as picture:
        return np.asarray(picture)


def _from_mat(path: Path) -> NDArray[Any]:
    content = read_mat(path)
    maps = [name for name, value in content.items() if isinstance(value, np.ndarray) and min(value.shape[:2]) > 1]
    name = "inst_map" if "inst_map" in maps else maps[0] if len(maps) == 1 else None
    if name is None:
        raise UsageError(
            f"{path}: holds no variable `inst_map`, but {', '.join(maps) or 'none'}. Rename the label map."
        )
    return as_label(content[name], path)
