"""OME-TIFF and other RGB TIFF files, pyramids included, read tile by tile (or strip by strip) with tifffile."""

import struct
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from cerberus_annotate.errors import SlideError
from cerberus_annotate.slide.region import Region
from cerberus_annotate.slide.slide import Level, Rgb, Slide, level_downsample, over_white, plausible_mpp
from cerberus_annotate.slide.tiff_tiles import JPEG_COMPRESSIONS, TiffTiles

MICROMETRES = {
    "m": 1e6, "dm": 1e5, "cm": 1e4, "mm": 1e3, "µm": 1.0, "nm": 1e-3, "Å": 1e-4, "pm": 1e-6,
    "in": 25400.0, "thou": 25.4, "mil": 25.4,
}  # fmt: skip
"""OME units of length in µm."""


class TiffSlide(Slide):
    """RGB levels of one series of a TIFF file."""

    def __init__(self, path: Path, tiff: Any, pages: list[Any], series: int) -> None:
        self._pages = pages
        self._tiles = TiffTiles(path, tiff, pages)
        sizes = [(page.imagewidth, page.imagelength) for page in pages]
        if tiff.is_ome:
            mpp, magnification = _ome_pixel_size(tiff.ome_metadata, series)
        else:
            mpp, magnification = _resolution_mpp(pages[0]), None
        super().__init__(
            path,
            tuple(Level(level_downsample(sizes[0], size), *size) for size in sizes),
            mpp=mpp,
            magnification=magnification,
            format=f"tifffile: {'OME-TIFF' if tiff.is_ome else 'TIFF'}",
        )

    def _read_inside(self, region: Region, level: int) -> Rgb:
        samples = self._tiles.read(region, level)
        if samples.shape[2] == 3:
            return samples
        return over_white(samples) if _has_alpha(self._pages[level]) else np.ascontiguousarray(samples[..., :3])

    def close(self) -> None:
        self._tiles.close()


def is_tiff(path: Path) -> bool:
    """Whether the file starts as TIFF or BigTIFF does."""
    with path.open("rb") as file:
        return file.read(4) in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def openslide_misreads(path: Path) -> bool:
    """Whether OpenSlide would open a tiled TIFF as "generic" and lose something: OME levels, channels, bits."""
    import openslide
    import tifffile

    if not is_tiff(path) or openslide.OpenSlide.detect_format(path) != "generic-tiff":
        return False
    try:
        with tifffile.TiffFile(path) as tiff:
            page = tiff.pages[0].aspage()
            return tiff.is_ome or page.dtype != np.uint8 or page.samplesperpixel not in (3, 4)
    except Exception:  # what tifffile cannot parse OpenSlide may still read
        return False


def open_with_tifffile(path: Path, *, series: int = 0) -> TiffSlide | None:
    """The series of a TIFF file, or None for a simple picture (palette, grey, CMYK) that Pillow converts.

    Raises SlideError where the file is damaged, has no such series, or holds other than 8-bit RGB.
    """
    import tifffile

    try:
        tiff = tifffile.TiffFile(path)
    except Exception as error:  # struct.error, IndexError and others beside TiffFileError
        raise _unreadable(path, error) from error
    try:
        chosen, pages = _series_pages(path, tiff, series)
        if not tiff.is_ome and len(tiff.pages) == 1 and _pillow_converts(pages[0]):
            tiff.close()
            return None
        problem = _why_not_rgb(chosen, pages[0])
        if problem:
            raise SlideError(
                f"{path}: {problem}. Only 8-bit RGB images of stained, transmitted-light slides can be "
                "pre-labelled; export such an image as RGB, or leave it out."
            )
        return TiffSlide(path, tiff, pages, series)
    except BaseException:
        tiff.close()
        raise


def _series_pages(path: Path, tiff: Any, series: int) -> tuple[Any, list[Any]]:
    """A series and the first page of each of its levels."""
    try:
        _check_page_list(tiff)
        count = len(tiff.series)
        if 0 <= series < count and (series == 0 or tiff.is_ome):
            chosen = tiff.series[series]
            pages = [level.pages[0].aspage() for level in chosen.levels]
            for page in pages:
                _check_layout(page)
            return chosen, pages
    except Exception as error:  # as above: damaged tags surface as whatever they break
        raise _unreadable(path, error) from error
    raise SlideError(f"{path}: has no series {series}; it holds {count if tiff.is_ome else 1}, counted from 0.")


def _check_page_list(tiff: Any) -> None:
    """Raise EOFError where the chain of pages leads out of the file (tifffile then drops levels and goes on)."""
    form, file = tiff.tiff, tiff.filehandle
    file.seek(tiff.pages[len(tiff.pages) - 1].offset)
    (tags,) = struct.unpack(form.tagnoformat, file.read(form.tagnosize))
    file.seek(tags * form.tagsize, 1)
    (following,) = struct.unpack(form.offsetformat, file.read(form.offsetsize))
    if following >= file.size:
        raise EOFError("its list of pages breaks off")


def _check_layout(page: Any) -> None:
    """Raise ValueError where a page's sizes are not whole numbers above zero."""
    strip_or_tile = (page.tilewidth, page.tilelength) if page.is_tiled else (page.rowsperstrip,)
    for size in (page.imagewidth, page.imagelength, *strip_or_tile):
        if not isinstance(size, int) or size < 1:
            raise ValueError(f"a side of {size} px")


def _unreadable(path: Path, error: Exception) -> SlideError:
    return SlideError(
        f"{path}: is a TIFF file that cannot be read ({error}). It is damaged or incomplete; copy it again "
        "from its source."
    )


def _pillow_converts(page: Any) -> bool:
    """Whether a lone page has 1 or 8 bits a sample and is grey, of a palette, or CMYK."""
    return page.dtype in (np.uint8, bool) and int(page.photometric) in (0, 1, 3, 5) and page.ndim <= 3


def _why_not_rgb(series: Any, page: Any) -> str | None:
    """What the series is, where it is not one 8-bit RGB picture."""
    sizes = dict(zip(series.axes, series.shape, strict=True))
    samples, kind = sizes.pop("S", 1), f"{np.dtype(series.dtype).itemsize * 8}-bit"
    for axis in "XY":
        sizes.pop(axis, None)
    if channels := sizes.pop("C", 0):
        return f"holds {channels} separate {kind} channels, as fluorescence images do"
    if others := {axis: size for axis, size in sizes.items() if size > 1}:
        what = " × ".join(f"{size} {_AXES.get(axis, 'pictures')}" for axis, size in others.items())
        return f"is a stack of {what}"
    if samples not in (3, 4):
        return f"has {samples} {kind} channel{'s' if samples > 1 else ''} a pixel, not red, green and blue"
    if series.dtype != np.uint8:
        return f"has {kind} samples"
    if page.imagedepth > 1:
        return "is a volume"
    jpeg_ycbcr = int(page.photometric) == 6 and page.compression in JPEG_COMPRESSIONS
    if int(page.photometric) != 2 and not jpeg_ycbcr:
        return f"stores its colours as {getattr(page.photometric, 'name', page.photometric)}"
    return None


_AXES = {"Z": "focal planes", "T": "time points"}


def _has_alpha(page: Any) -> bool:
    return any(int(kind) in (1, 2) for kind in page.extrasamples)


def _resolution_mpp(page: Any) -> tuple[float, float] | None:
    """µm/px from the resolution tags; print resolutions (72 dpi and the like) do not count."""
    try:
        unit = {2: 25400.0, 3: 10000.0}[int(page.tags.valueof("ResolutionUnit"))]
        sides = [page.tags.valueof(tag) for tag in ("XResolution", "YResolution")]
        x, y = (unit * denominator / numerator for numerator, denominator in sides)
    except (KeyError, TypeError, ValueError, ZeroDivisionError):  # no tag, no unit, or nonsense in it
        return None
    return plausible_mpp(x, y)


def _ome_pixel_size(xml: str | None, index: int) -> tuple[tuple[float, float] | None, float | None]:
    """((x, y) µm/px or None, nominal magnification or None) of image `index` of an OME-XML block."""
    if not xml:
        return None, None
    try:
        root = ElementTree.fromstring(xml)
    except ElementTree.ParseError:
        return None, None
    images = root.findall("{*}Image")
    if index >= len(images):
        return None, None
    pixels = images[index].find("{*}Pixels")
    mpp = None
    if pixels is not None:
        mpp = plausible_mpp(_ome_length(pixels, "PhysicalSizeX"), _ome_length(pixels, "PhysicalSizeY"))
    settings = images[index].find("{*}ObjectiveSettings")
    if settings is None:
        return mpp, None
    for objective in root.iterfind("{*}Instrument/{*}Objective"):
        if objective.get("ID") == settings.get("ID"):
            return mpp, _float(objective.get("NominalMagnification"))
    return mpp, None


def _ome_length(pixels: ElementTree.Element, name: str) -> float | None:
    value = _float(pixels.get(name))
    factor = MICROMETRES.get(pixels.get(f"{name}Unit", "µm").replace("μ", "µ"))
    return value * factor if value and factor else None


def _float(text: str | None) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        return None
