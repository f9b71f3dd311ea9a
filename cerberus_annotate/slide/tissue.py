"""Where a slide shows tissue: a mask at low resolution, made from colour, as polygons in level-0 px."""

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import MultiPolygon

from cerberus_annotate.slide.sampling import read_overview
from cerberus_annotate.slide.slide import Rgb, Slide

PIXEL_UM = 8.0
"""Pixel size of the mask in µm, where the slide is neither too large nor too small for it."""

MASK_SIDE = (256, 2048)
"""The longer side of the mask in px is kept between these (never finer than the slide)."""

NOMINAL_MPP = 0.5
"""µm/px taken for the sizes below where the image has no pixel size; nothing else depends on it."""

SMOOTH_UM = 6.0
"""Standard deviation of the blur that makes nuclei and the gaps between fibres one surface."""

CHROMA_LIMITS = (0.03, 0.05)
"""Otsu's threshold on chroma (0..1) is kept within these: glass lies below (by JPEG noise up to 0.03 on the
slides tried), pale mucus and stroma above; free, Otsu would part nuclei from stroma where there is no glass."""

DARK = 0.4
"""An image of which nine tenths are darker is not lit from below (fluorescence): none of it is called tissue."""

CLOSE_UM, PEN_RIM_UM = 24.0, 60.0
"""Radius of the closing, and of what is taken away around ink (its blurred rim)."""

MIN_TISSUE_UM2 = 5_000.0
"""Smaller pieces are dust."""

MAX_HOLE_UM2, MAX_NOTCH_UM2 = 100_000.0, 12_500.0
"""Smaller holes (lumina, tears, vessels) are filled; those cut by the image's border, so less sure, if smaller
than the second."""


@dataclass(frozen=True)
class _Mask:
    """A mask's scale: level-0 px and µm that one of its pixels covers a side."""

    scale: tuple[float, float]
    um: float


def tissue_polygons(slide: Slide, mpp: tuple[float, float] | None = None) -> MultiPolygon:
    """The tissue of a stained slide as valid polygons with holes, in level-0 px; empty where there is none.

    mpp: (x, y) µm/px where the slide's own is missing or wrong. Outlines are true to about 8 µm. Tissue is
    what is coloured and not ink: chroma above Otsu's threshold (N. Otsu, IEEE Trans. SMC 9, 1979) within fixed
    limits; glass, grey fill, black borders and black ink have no chroma, blue and green ink are told by their
    hue, dust by its size. Red ink is not told from tissue. Raises SlideError where the file is damaged.
    """
    grid = _mask_grid(slide, mpp or slide.mpp or (NOMINAL_MPP, NOMINAL_MPP))
    mask = tissue_mask(read_overview(slide, grid.scale), grid.um)
    return _polygons(mask, grid, slide)


def _mask_grid(slide: Slide, mpp: tuple[float, float]) -> _Mask:
    longest = max(slide.width * mpp[0], slide.height * mpp[1])
    um = min(max(PIXEL_UM, longest / MASK_SIDE[1]), longest / MASK_SIDE[0])
    um = max(um, *mpp)
    return _Mask((um / mpp[0], um / mpp[1]), um)


def tissue_mask(rgb: Rgb, um: float) -> NDArray[np.bool_]:
    """Tissue of an overview, bool (h, w). rgb: uint8 (h, w, 3) with square pixels of `um` µm a side."""
    import cv2
    from skimage.filters import threshold_otsu
    from skimage.segmentation import clear_border

    blur = SMOOTH_UM / um
    smooth: NDArray[np.floating] = rgb.astype(np.float32) / 255
    if blur > 0.3:
        smooth = np.asarray(cv2.GaussianBlur(smooth, (0, 0), blur, borderType=cv2.BORDER_REPLICATE))
    smooth = np.minimum(smooth / glass_colour(smooth), 1.0)
    high = smooth.max(axis=2)
    if np.percentile(high, 90) < DARK:
        return np.zeros(high.shape, bool)
    chroma = high - smooth.min(axis=2)
    levels = chroma[high > 0.15]  # without black borders
    otsu = threshold_otsu(levels) if levels.size and np.ptp(levels) > 0 else 0.0
    coloured = (chroma > np.clip(otsu, *CHROMA_LIMITS)) & (high > 0.15)
    red, green, blue = smooth[..., 0], smooth[..., 1], smooth[..., 2]
    folded = (high > 0.05) & (np.minimum(red, blue) - green > 0.5 * high)  # purple to almost black
    tissue = (coloured | folded) & ~_near_ink(smooth, um)

    radius = CLOSE_UM / um
    padded = np.pad(tissue.astype(np.uint8), int(radius) + 1, mode="edge")
    closed = cv2.morphologyEx(padded, cv2.MORPH_CLOSE, _disc(radius))
    inner = slice(int(radius) + 1, -int(radius) - 1)
    tissue = closed[inner, inner].astype(bool)
    # of an image so small that these sizes are most of it, never more than a tenth
    smallest, notch, hole = (
        min(size / um**2, 0.1 * tissue.size) for size in (MIN_TISSUE_UM2, MAX_NOTCH_UM2, MAX_HOLE_UM2)
    )
    tissue = _without_small(tissue, smallest)
    tissue = ~_without_small(~tissue, notch)
    holes = ~_without_small(~tissue, hole) & ~tissue
    return tissue | clear_border(holes)


def _without_small(mask: NDArray[np.bool_], smallest: float) -> NDArray[np.bool_]:
    """A mask without its connected parts of fewer than `smallest` px."""
    from skimage.measure import label

    parts = label(mask, connectivity=1)
    keep = np.bincount(parts.ravel()) >= smallest
    keep[0] = False
    return keep[parts]


def glass_colour(smooth: NDArray[np.floating]) -> NDArray[np.floating]:
    """The colour of empty glass, float (3,) in 0..1: the median of what is bright, nearly grey and flat, or
    plain white where too little is."""
    import cv2

    high, low = smooth.max(axis=2), smooth.min(axis=2)
    mean, square = cv2.blur(low, (5, 5)), cv2.blur(low * low, (5, 5))
    flat = square - mean * mean < 0.004**2
    glass = smooth[(low > 0.75) & (high - low < 0.06) & flat]
    return np.median(glass, axis=0) if len(glass) > 0.01 * high.size else np.ones(3)


def _near_ink(smooth: NDArray[np.floating], um: float) -> NDArray[np.bool_]:
    """Blue and green ink with its blurred rim, and black ink (whose rim is grey)."""
    import cv2

    red, green, blue = smooth[..., 0], smooth[..., 1], smooth[..., 2]
    high = smooth.max(axis=2)
    chroma = high - smooth.min(axis=2)
    # no stain of H&E or of H-DAB lets green through best, or dims red most and is vivid
    is_green = (green >= high) & (chroma > 0.15)
    is_blue = (blue >= high) & (chroma > 0.3) & (green - red > 0.12 * chroma)
    is_black = (high < 0.45) & (chroma < 0.2 * high)  # dark folds of tissue stay purple
    vivid = cv2.morphologyEx((is_green | is_blue).astype(np.uint8), cv2.MORPH_OPEN, _disc(1))
    return cv2.dilate(vivid, _disc(PEN_RIM_UM / um)).astype(bool) | is_black


def _disc(radius: float) -> NDArray[np.uint8]:
    import cv2

    side = 2 * max(1, round(radius)) + 1
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)), np.uint8)


def _polygons(mask: NDArray[np.bool_], grid: _Mask, slide: Slide) -> MultiPolygon:
    """Smooth outlines of a mask in level-0 px, cut to the image."""
    import cv2
    from skimage.measure import find_contours

    if not mask.any():
        return MultiPolygon()
    pad = 3
    surface = np.pad(mask.astype(np.float32), pad, mode="edge")
    surface = np.asarray(cv2.GaussianBlur(surface, (0, 0), 1.0, borderType=cv2.BORDER_REPLICATE))
    surface = np.pad(surface, 1)
    # row, column of pixel centres -> x, y in grid px of the unpadded mask
    rings = [ring[:, ::-1] - (pad + 0.5) for ring in find_contours(surface, 0.5)]
    rings = [shapely.linearrings(ring * grid.scale) for ring in rings if len(ring) >= 4]
    area = shapely.build_area(shapely.geometrycollections(rings))
    area = area.simplify(0.3 * min(grid.scale))
    area = shapely.make_valid(area).intersection(shapely.box(0, 0, slide.width, slide.height))
    return MultiPolygon([part for part in shapely.get_parts(area) if part.geom_type == "Polygon"])
