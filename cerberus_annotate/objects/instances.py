"""Probability maps to instance label maps, pixel for pixel as the Cerberus reference does it.

Method: Graham et al. 2023 (Medical Image Analysis 83, 102685), tile mode of the public implementation. Labelling is
4-connected throughout; structuring elements are OpenCV ellipses with their default anchor, so even sizes are lopsided.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.segmentation import watershed

Labels = NDArray[np.int32]
Mask = NDArray[np.bool_]

SMALLEST_NUCLEUS = 8
SMALLEST_MARKER = 4

SMALLEST_RIMMED = 20
"""px of the network's grid, 5 µm², chosen on training images."""


@dataclass(frozen=True)
class AreaSettings:
    """How one kind of area object is cut out: foreground above `threshold`, at least `smallest` pixels, then grown
    once by a `kernel` x `kernel` ellipse (0 or 1: not at all), because the network learns eroded objects, and its
    holes filled."""

    threshold: float
    smallest: int
    kernel: int
    fill: bool = True


@dataclass(frozen=True)
class NucleusSettings:
    """How nuclei are cut out of their maps. finer: how many times finer than the network's grid the maps are.
    inner_contour: the contour class is the nuclei's own rim; else it straddles their outlines, as in the reference.
    threshold, marker: for nuclei with such a rim, as in `rimmed_nucleus_instances`."""

    finer: int = 1
    inner_contour: bool = False
    threshold: float = 0.5
    marker: float = 0.55


def gland_settings(scale: float = 1.0) -> AreaSettings:
    """The reference's settings for glands; `scale` is the size of the maps relative to the network's mpp."""
    return AreaSettings(threshold=0.55, smallest=int(1000 * scale**2), kernel=int(10 * scale))


def lumen_settings(scale: float = 1.0) -> AreaSettings:
    """The reference's settings for lumina; `scale` is the size of the maps relative to the network's mpp."""
    return AreaSettings(threshold=0.5, smallest=int(150 * scale**2), kernel=int(2 * scale))


def tissue_settings(smallest: int = 2) -> AreaSettings:
    """For tissue classes, one mask per class: neither grown nor filled; `smallest` is in cells of the class map."""
    return AreaSettings(threshold=0.5, smallest=smallest, kernel=0, fill=False)


def gland_instances(inside: NDArray[np.float32], contour: NDArray[np.float32], scale: float = 1.0) -> Labels:
    """Glands as an int32 label map (H, W), 0 background; ids in raster order of their first pixel before growing.

    `inside` and `contour` are probabilities, float32 (H, W). An id that later ones cover wholly is missing.
    """
    return _area_instances(inside, contour, gland_settings(scale))


def lumen_instances(inside: NDArray[np.float32], contour: NDArray[np.float32], scale: float = 1.0) -> Labels:
    """Lumina as an int32 label map (H, W), before those outside glands are removed; else as `gland_instances`."""
    return _area_instances(inside, contour, lumen_settings(scale))


def nucleus_instances(inside: NDArray[np.float32], contour: NDArray[np.float32]) -> Labels:
    """Nuclei as an int32 label map (H, W), 0 background; the ids are those of their markers and may have gaps.

    `inside` and `contour` are probabilities, float32 (H, W). Markers (inside > 0.5) are flooded over -inside within
    (inside + contour) > 0.5, eroded once.
    """
    covered = (inside + contour) > 0.5
    if not covered.any():
        return np.zeros(inside.shape, np.int32)
    plus = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (3, 3))
    regions = _components(cv2.erode(covered.view(np.uint8), plus), SMALLEST_NUCLEUS)
    seeds = fill_holes(_components(inside > 0.5, SMALLEST_MARKER) > 0)
    markers, _ = ndimage.label(seeds)
    # Over the whole map at once: where seeds tie, the flooding order hangs on all of them.
    return watershed(-inside, markers, mask=regions > 0).astype(np.int32, copy=False)


def rimmed_nucleus_instances(
    inside: NDArray[np.float32],
    contour: NDArray[np.float32],
    threshold: float = 0.5,
    marker: float = 0.55,
    finer: int = 1,
) -> Labels:
    """Nuclei whose contour is their own rim, as an int32 label map (H, W), 0 background; ids may have gaps.

    `inside` and `contour` are probabilities, float32 (H, W). Every pixel of (inside + contour) > threshold goes to the
    nearest marker (inside > `marker`) of its own connected part; a part without a marker is one nucleus. What is
    smaller than SMALLEST_RIMMED is dropped. `finer` says how many pixels a side a network pixel has.
    """
    covered = fill_holes((inside + contour) > threshold)
    part, parts = ndimage.label(covered)
    markers = _components((inside > marker) & covered, SMALLEST_MARKER * finer**2)
    marked = np.zeros(parts + 1, np.bool_)
    marked[part[markers > 0]] = True
    marked[0] = True
    alone = ~marked[part]
    markers = np.where(alone, part + markers.max(initial=0), markers)
    if not markers.any():
        return np.zeros(inside.shape, np.int32)
    # nearest marker pixel of every pixel, by the index that OpenCV gives it
    _, nearest = cv2.distanceTransformWithLabels(
        (markers == 0).view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    seed = markers > 0
    marker_of = np.zeros(int(nearest.max()) + 1, np.int32)
    marker_of[nearest[seed]] = markers[seed]
    part_of = np.zeros(int(markers.max()) + 1, np.int32)
    part_of[markers[seed]] = part[seed]
    found = marker_of[nearest]
    found = np.where(covered & (part_of[found] == part), found, 0)
    large = np.bincount(found.ravel()) >= SMALLEST_RIMMED * finer**2
    large[0] = False
    return np.where(large[found], found, 0)


def area_foreground(inside: NDArray[np.float32], contour: NDArray[np.float32], settings: AreaSettings) -> Mask:
    """Where an area object is before growing, bool (H, W): inside without its contour, above the threshold."""
    ring = (contour > 0.5).astype(np.float32)
    return (inside - ring) > np.float32(settings.threshold)


def grow(piece: Mask, kernel: int) -> Mask:
    """One object's mask grown once by the ellipse. Same shape: `piece` needs room to grow into."""
    if kernel <= 1:
        return piece
    ellipse = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (kernel, kernel))
    return cv2.dilate(np.ascontiguousarray(piece).view(np.uint8), ellipse).view(np.bool_)


def room_to_grow(start: int, end: int, size: int, kernel: int) -> tuple[int, int]:
    """The range [start, end) of one axis enlarged by two kernels a side. A side that would leave the image (0 to
    `size`) is not enlarged at all, as in the reference: such an object does not grow past its own box there."""
    room = 2 * kernel
    return (start - room if start - room >= 0 else start), (end + room if end + room <= size - 1 else end)


def fill_holes(mask: Mask) -> Mask:
    """The mask with its holes filled: background that does not reach the border by 4-connected steps."""
    count, background = cv2.connectedComponents((~mask).view(np.uint8), connectivity=4, ltype=cv2.CV_32S)
    outside = np.zeros(count, np.bool_)
    for side in (background[0], background[-1], background[:, 0], background[:, -1]):
        outside[side] = True
    outside[0] = False
    return ~outside[background]


def _area_instances(inside: NDArray[np.float32], contour: NDArray[np.float32], settings: AreaSettings) -> Labels:
    pieces = _components(area_foreground(inside, contour, settings), settings.smallest)
    height, width = pieces.shape
    found = np.zeros(pieces.shape, np.int32)
    for label, (rows, columns) in enumerate(ndimage.find_objects(pieces), start=1):
        top, bottom = room_to_grow(rows.start, rows.stop, height, settings.kernel)
        left, right = room_to_grow(columns.start, columns.stop, width, settings.kernel)
        box = np.s_[top:bottom, left:right]
        found[box][fill_holes(grow(pieces[box] == label, settings.kernel))] = label
    return found


def _components(mask: NDArray, smallest: int) -> Labels:
    """4-connected components of at least `smallest` pixels, numbered in raster order without gaps."""
    labels, count = ndimage.label(mask)
    large = np.bincount(labels.ravel(), minlength=count + 1) >= smallest
    large[0] = False
    return np.where(large, np.cumsum(large), 0).astype(np.int32)[labels]
