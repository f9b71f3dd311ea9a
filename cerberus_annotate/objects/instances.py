"""Probability maps to instance label maps, pixel for pixel as the Cerberus reference does it.

Method: Graham et al. 2023 (Medical Image Analysis 83, 102685), tile mode of the public implementation. Labelling is
4-connected throughout; structuring elements are OpenCV ellipses with their default anchor, so even sizes are lopsided.

Maps may be probabilities, float32, or the bytes that they leave the network as, uint8 from 0 to 255: both give the same
instances (a sum of bytes that is exactly at a threshold is not above it; rounded probabilities may be).
"""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.segmentation import watershed

from cerberus_annotate.objects.labelled_pixels import LabelledPixels

Labels = NDArray[np.int32]
Mask = NDArray[np.bool_]
Bits = NDArray[np.uint8]
"""A mask of 0 and 1, as OpenCV takes it."""

Probability = NDArray[np.float32] | NDArray[np.uint8]

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
    threshold, marker: for nuclei with such a rim, as in `rimmed_nucleus_instances`. sure: the least confidence, mean
    of inside + contour, of a nucleus."""

    finer: int = 1
    inner_contour: bool = False
    threshold: float = 0.5
    marker: float = 0.55
    sure: float = 0.0


def gland_settings(scale: float = 1.0) -> AreaSettings:
    """The reference's settings for glands; `scale` is the size of the maps relative to the network's mpp."""
    return AreaSettings(threshold=0.55, smallest=int(1000 * scale**2), kernel=int(10 * scale))


def lumen_settings(scale: float = 1.0) -> AreaSettings:
    """The reference's settings for lumina; `scale` is the size of the maps relative to the network's mpp."""
    return AreaSettings(threshold=0.5, smallest=int(150 * scale**2), kernel=int(2 * scale))


def tissue_settings(smallest: int = 2) -> AreaSettings:
    """For tissue classes, one mask per class: neither grown nor filled; `smallest` is in cells of the class map."""
    return AreaSettings(threshold=0.5, smallest=smallest, kernel=0, fill=False)


def gland_instances(inside: Probability, contour: Probability, scale: float = 1.0) -> Labels:
    """Glands as an int32 label map (H, W), 0 background; ids in raster order of their first pixel before growing.

    `inside` and `contour` are probabilities (H, W). An id that later ones cover wholly is missing.
    """
    return _area_instances(inside, contour, gland_settings(scale))


def lumen_instances(inside: Probability, contour: Probability, scale: float = 1.0) -> Labels:
    """Lumina as an int32 label map (H, W), before those outside glands are removed; else as `gland_instances`."""
    return _area_instances(inside, contour, lumen_settings(scale))


def nucleus_instances(inside: Probability, contour: Probability) -> Labels:
    """Nuclei as an int32 label map (H, W), 0 background; the ids are those of their markers and may have gaps.

    `inside` and `contour` are probabilities (H, W). Markers (inside > 0.5) are flooded over -inside within
    (inside + contour) > 0.5, eroded once.
    """
    covered = _either_above(inside, contour, 0.5)
    if not covered.any():
        return np.zeros(inside.shape, np.int32)
    plus = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (3, 3))
    regions = _components(cv2.erode(covered, plus), SMALLEST_NUCLEUS)
    seeds = fill_holes(_components(_above(inside, 0.5), SMALLEST_MARKER) > 0)
    _, markers = _label(seeds.view(np.uint8))
    # Over the whole map at once: where seeds tie, the flooding order hangs on all of them.
    return watershed(-inside.astype(np.float32), markers, mask=regions > 0).astype(np.int32, copy=False)


def rimmed_nucleus_instances(
    inside: Probability,
    contour: Probability,
    threshold: float = 0.5,
    marker: float = 0.55,
    finer: int = 1,
) -> Labels:
    """As `rimmed_nucleus_pixels`, an int32 label map (H, W), 0 background."""
    return rimmed_nucleus_pixels(inside, contour, threshold, marker, finer).map()


def rimmed_nucleus_pixels(
    inside: Probability,
    contour: Probability,
    threshold: float = 0.5,
    marker: float = 0.55,
    finer: int = 1,
) -> LabelledPixels:
    """Nuclei whose contour is their own rim; ids may have gaps.

    `inside` and `contour` are probabilities (H, W). Every pixel of (inside + contour) > threshold goes to the nearest
    marker (inside > `marker`), if that lies in its own connected part; a part without a marker is one nucleus. What is
    smaller than SMALLEST_RIMMED is dropped. `finer` says how many pixels a side a network pixel has.
    """
    covered = _holes_filled(_either_above(inside, contour, threshold))
    cell = np.flatnonzero(covered.view(np.bool_))
    if len(cell) == 0:
        return LabelledPixels(cell, cell, covered.shape)
    parts, part = _label_at(covered, cell)
    markers, own = _label_at(cv2.bitwise_and(_above(inside, marker), covered), cell)
    large = np.bincount(own, minlength=markers + 1) >= SMALLEST_MARKER * finer**2
    large[0] = False
    own = np.where(large, np.cumsum(large), 0)[own]
    marked = np.zeros(parts + 1, np.bool_)
    marked[part[np.flatnonzero(own)]] = True
    alone = np.flatnonzero(~marked[part])
    own[alone] = part[alone] + np.count_nonzero(large)
    found = _nearest_marker(covered.shape, cell, part, own)
    kept = np.bincount(found) >= SMALLEST_RIMMED * finer**2
    kept[:1] = False
    return LabelledPixels(cell, found, covered.shape).where(kept[found])


def _nearest_marker(
    shape: tuple[int, int], cell: NDArray[np.intp], part: NDArray[Any], own: NDArray[Any]
) -> NDArray[Any]:
    """For every pixel `cell` (n,) of a map the marker nearest to it, or 0 if that lies in another part than the pixel;
    `part` and `own` (n,) are its part and the marker on it, or 0."""
    on_marker = own > 0
    if on_marker.all():
        return own
    free = np.ones(shape, np.uint8)
    free.ravel()[cell] = ~on_marker
    # OpenCV numbers the marked pixels from 1 in raster order, as they come in `cell`, and gives every pixel the number
    # of the nearest.
    _, nearest = cv2.distanceTransformWithLabels(free, cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL)
    marked, rim = np.flatnonzero(on_marker), np.flatnonzero(~on_marker)
    closest = marked[nearest.ravel()[cell[rim]] - 1]
    found = own.copy()
    found[rim] = np.where(part[closest] == part[rim], own[closest], 0)
    return found


def area_foreground(inside: Probability, contour: Probability, settings: AreaSettings) -> Mask:
    """Where an area object is before growing, bool (H, W): inside without its contour, above the threshold."""
    return cv2.bitwise_and(_above(inside, settings.threshold), 1 - _above(contour, 0.5)).view(np.bool_)


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
    return _holes_filled(np.array(mask, np.uint8, order="C")).view(np.bool_)


def _holes_filled(mask: Bits) -> Bits:
    """`mask` with its holes filled in place."""
    outlines, hierarchy = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    holes = np.flatnonzero(hierarchy[0, :, 3] >= 0).tolist() if len(outlines) else []
    # One by one: of several at once, those within others would be left out.
    for hole in holes:
        cv2.fillPoly(mask, [outlines[hole]], 1)
    return mask


def _area_instances(inside: Probability, contour: Probability, settings: AreaSettings) -> Labels:
    pieces = _components(area_foreground(inside, contour, settings).view(np.uint8), settings.smallest)
    height, width = pieces.shape
    found = np.zeros(pieces.shape, np.int32)
    for label, (rows, columns) in enumerate(ndimage.find_objects(pieces), start=1):
        top, bottom = room_to_grow(rows.start, rows.stop, height, settings.kernel)
        left, right = room_to_grow(columns.start, columns.stop, width, settings.kernel)
        box = np.s_[top:bottom, left:right]
        found[box][fill_holes(grow(pieces[box] == label, settings.kernel))] = label
    return found


def _components(mask: NDArray[Any], smallest: int) -> Labels:
    """4-connected components of at least `smallest` pixels, numbered in raster order without gaps."""
    count, labels = _label(mask)
    large = np.bincount(labels.ravel(), minlength=count + 1) >= smallest
    large[0] = False
    return np.where(large, np.cumsum(large), 0).astype(np.int32)[labels]


def _label(mask: NDArray[Any]) -> tuple[int, Labels]:
    """The number of 4-connected components and their map, numbered from 1 in raster order of their first pixels."""
    count, labels = cv2.connectedComponents(mask, connectivity=4, ltype=cv2.CV_32S)
    return count - 1, np.asarray(labels, np.int32)


def _label_at(mask: NDArray[Any], cell: NDArray[np.intp]) -> tuple[int, Labels]:
    """The number of components, and those at indices `cell` (n,) into the flattened mask."""
    count, labels = _label(mask)
    return count, labels.ravel()[cell]


def _above(values: NDArray[Any], threshold: float) -> Bits:
    """Where a probability is above a threshold."""
    if values.dtype == np.uint8:
        above: NDArray[Any] = cv2.threshold(values, int(threshold * 255 + 1e-9), 1, cv2.THRESH_BINARY)[1]
        return above
    return (values > threshold).view(np.uint8)


def _either_above(one: Probability, other: Probability, threshold: float) -> Bits:
    """Where the sum of two probabilities is above a threshold below 1."""
    total: NDArray[Any] = cv2.add(one, other)
    return _above(total, threshold)
