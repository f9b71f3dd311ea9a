"""Random views of labelled images, cut and resampled in one step from the images' own pixels."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from cerberus_annotate.learn.data.label_names import GLAND_LABELS, NUCLEUS_LABELS
from cerberus_annotate.learn.data.labelled_image import LabelledImage

SCALE = (0.8, 1.25)
STRETCH = (0.95, 1.05)
SHEAR_DEGREES = 5.0
NEAR = 0.5
"""Half sides of a crop that a pixel may be off its middle along each axis and surely be seen, however it is turned."""

POINT_RADIUS = 1.5
"""µm around the centre of a nucleus known by a point alone that are surely the nucleus."""


@dataclass(frozen=True)
class Grid:
    """The pixels that a network works on: `side` of a crop in px of the grid, `mpp` of the grid, and how many times
    finer than it the input and the nuclei's outlines are."""

    side: int
    mpp: float
    input_finer: int
    nuclei_finer: int


@dataclass(frozen=True)
class Crop:
    """A view of a labelled image. rgb is on the input's pixels, nuclei on those of the nuclei's outlines, all else on
    the grid's; what has no label is None. nucleus_types as in LabelledImage, points drawn as discs. ignore,
    ignored_nuclei: bool, what does not count, on the grid and on the nuclei's pixels."""

    rgb: NDArray[np.uint8]
    nuclei: NDArray[np.uint16] | None = None
    nucleus_types: NDArray[np.uint8] | None = None
    glands: NDArray[np.uint16] | None = None
    gland_types: NDArray[np.uint8] | None = None
    lumina: NDArray[np.uint16] | None = None
    mask: NDArray[np.uint8] | None = None
    patch_class: str | None = None
    ignore: NDArray[np.bool_] | None = None
    ignored_nuclei: NDArray[np.bool_] | None = None
    nucleus_labels: tuple[str, ...] = NUCLEUS_LABELS
    gland_labels: tuple[str, ...] = GLAND_LABELS


def random_crop(image: LabelledImage, grid: Grid, rng: Generator) -> Crop:
    """A crop under a random rotation, scale, shear and flip, mirrored beyond the image.

    An image without a pixel size is taken for one at the input's. Of an image with pixels to ignore the crop shows one
    that counts. An image with a `patch_class` is turned by quarters only and centred, so that the crop shows the image
    that the class was given to.
    """
    mpp = image.mpp or grid.mpp / grid.input_finer
    if image.patch_class is None:
        turn = _free_turn(rng)
        height, width = image.rgb.shape[:2]
        reach = grid.side * grid.mpp / mpp / 2
        looked_at = None if image.ignore is None else np.flatnonzero(~image.ignore)
        if looked_at is None or not len(looked_at):
            centre = np.array([_centre(width, reach, rng), _centre(height, reach, rng)])
        else:
            row, column = divmod(int(looked_at[rng.integers(len(looked_at))]), width)
            centre = np.array([column, row]) + rng.uniform(-NEAR * reach, NEAR * reach, 2)
    else:
        turn = _quarter_turn(rng)
        centre = np.array(image.rgb.shape[1::-1]) / 2
    return cut(image, grid, turn * (grid.mpp / mpp), centre)


def centre_crop(image: LabelledImage, grid: Grid) -> Crop:
    """The middle of the image as it is."""
    mpp = image.mpp or grid.mpp / grid.input_finer
    return cut(image, grid, np.eye(2) * (grid.mpp / mpp), np.array(image.rgb.shape[1::-1]) / 2)


def cut(image: LabelledImage, grid: Grid, matrix: NDArray[np.float64], centre: NDArray[np.float64]) -> Crop:
    """The crop whose middle shows `centre` (x, y in the image's px); `matrix` (2, 2) takes px of the grid to it."""
    offset = centre - matrix @ np.full(2, grid.side / 2)

    def warp(array: NDArray, finer: int, interpolation: int) -> NDArray:
        # OpenCV counts from the middle of the first pixel, we from its corner
        scaled = matrix / finer
        shift = offset + scaled @ np.full(2, 0.5) - 0.5
        return cv2.warpAffine(
            array,
            np.column_stack([scaled, shift]),
            (grid.side * finer, grid.side * finer),
            flags=interpolation | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REFLECT_101,
        )

    def ids(array: NDArray[np.int32] | None, finer: int = 1) -> NDArray[np.uint16] | None:
        return None if array is None else warp(array.astype(np.uint16), finer, cv2.INTER_NEAREST)

    def indices(array: NDArray[np.uint8] | None) -> NDArray[np.uint8] | None:
        return None if array is None else warp(array, 1, cv2.INTER_NEAREST)

    def ignored(finer: int) -> NDArray[np.bool_] | None:
        return None if image.ignore is None else warp(image.ignore.view(np.uint8), finer, cv2.INTER_NEAREST) > 0

    types = indices(image.nucleus_types)
    if image.nucleus_points is not None:
        places = (image.nucleus_points[:, :2] - offset) @ np.linalg.inv(matrix).T
        types = _with_points(types, places, image.nucleus_points[:, 2], grid)
    return Crop(
        rgb=warp(image.rgb, grid.input_finer, cv2.INTER_LINEAR),
        nuclei=ids(image.nuclei, grid.nuclei_finer),
        nucleus_types=types,
        glands=ids(image.glands),
        gland_types=indices(image.gland_types),
        lumina=ids(image.lumina),
        mask=indices(image.mask),
        patch_class=image.patch_class,
        ignore=ignored(1),
        ignored_nuclei=ignored(grid.nuclei_finer),
        nucleus_labels=image.nucleus_labels,
        gland_labels=image.gland_labels,
    )


def _with_points(
    types: NDArray[np.uint8] | None, places: NDArray[np.float64], kinds: NDArray[np.float64], grid: Grid
) -> NDArray[np.uint8]:
    drawn = np.zeros((grid.side, grid.side), np.uint8)
    radius = round(POINT_RADIUS / grid.mpp)
    for (x, y), kind in zip(places, kinds.astype(int).tolist(), strict=True):
        if -radius < x < grid.side + radius and -radius < y < grid.side + radius:
            cv2.circle(drawn, (int(np.floor(x)), int(np.floor(y))), radius, kind, cv2.FILLED)
    return drawn if types is None else np.where(types > 0, types, drawn)


def _free_turn(rng: Generator) -> NDArray[np.float64]:
    angle = rng.uniform(0, 2 * np.pi)
    shear = np.tan(np.deg2rad(rng.uniform(-SHEAR_DEGREES, SHEAR_DEGREES)))
    scales = rng.uniform(*SCALE) * rng.uniform(*STRETCH, 2)
    flip = rng.choice([-1.0, 1.0])
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return rotation @ np.array([[1, shear], [0, 1]]) @ np.diag([flip / scales[0], 1 / scales[1]])


def _quarter_turn(rng: Generator) -> NDArray[np.float64]:
    scale = rng.uniform(0.9, 1.1)
    turns, flip = rng.integers(4), rng.choice([-1.0, 1.0])
    quarter = np.linalg.matrix_power(np.array([[0.0, -1.0], [1.0, 0.0]]), int(turns))
    return quarter @ np.diag([flip, 1.0]) / scale


def _centre(length: int, reach: float, rng: Generator) -> float:
    low, high = min(reach * 0.7, length / 2), max(length - reach * 0.7, length / 2)
    return float(rng.uniform(low, high))
