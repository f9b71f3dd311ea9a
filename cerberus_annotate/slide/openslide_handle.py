"""An OpenSlide handle that several threads share and that outlives a tile which cannot be decoded."""

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cerberus_annotate.slide.slide import Rgb, over_colour

CACHE_BYTES = 96 << 20
"""Decoded tiles that OpenSlide keeps per slide (4 bytes a px; its own default is a third of this): what a window of
3,300 × 3,300 px touches and half of another."""


class SharedHandle:
    """A handle that is opened anew after an error: OpenSlide refuses everything once one read has failed.

    open_handle: gives a fresh `openslide.OpenSlide` (or what behaves as one).
    """

    def __init__(self, open_handle: Callable[[], Any]) -> None:
        self._open_handle = open_handle
        self._handle = open_handle()
        self._lock = threading.Lock()
        self.properties: Mapping[str, str] = dict(self._handle.properties)
        self.dimensions: tuple[int, int] = self._handle.dimensions
        self.level_dimensions: tuple[tuple[int, int], ...] = self._handle.level_dimensions
        self.level_downsamples: tuple[float, ...] = self._handle.level_downsamples

    def read(
        self, location: tuple[int, int], level: int, size: tuple[int, int], background: tuple[int, int, int]
    ) -> Rgb:
        """`read_region` laid over a background: uint8 (height, width, 3). Raises OpenSlideError for what is damaged."""
        import openslide

        handle = self._handle
        try:
            return _pixels(handle, location, level, size, background)
        except openslide.OpenSlideError:
            pass
        # The place may be sound and another thread's read may have failed, so it is read again with a handle that
        # nobody else has. Who reads with the old one still holds it; it is closed when the last of them lets go.
        with self._lock:
            fresh = self._open_handle()
            try:
                pixels = _pixels(fresh, location, level, size, background)
            except openslide.OpenSlideError:
                fresh.close()
                if self._handle is handle:
                    self._handle = self._open_handle()
                raise
            if self._handle is handle:
                self._handle = fresh
            else:
                fresh.close()
            return pixels

    def close(self) -> None:
        """Let go of the file; later reads fail."""
        with self._lock:
            self._handle.close()


def open_handle(path: Path) -> SharedHandle:
    """Raises OpenSlideError where OpenSlide cannot open the file."""
    import openslide

    cache = openslide.OpenSlideCache(CACHE_BYTES)

    def opened() -> Any:
        handle = openslide.OpenSlide(path)
        handle.set_cache(cache)
        return handle

    return SharedHandle(opened)


def _pixels(
    handle: Any, location: tuple[int, int], level: int, size: tuple[int, int], background: tuple[int, int, int]
) -> Rgb:
    """A region without the way through a Pillow image, which takes half as long again as OpenSlide itself."""
    from openslide import lowlevel

    raw, read = getattr(handle, "_osr", None), getattr(lowlevel, "_read_region", None)
    if raw is None or read is None:  # not OpenSlide's own, or a version that names them otherwise
        return over_colour(np.asarray(handle.read_region(location, level, size)), background)
    argb = np.empty((size[1], size[0]), np.uint32)
    read(raw, argb.ctypes.data_as(lowlevel.POINTER(lowlevel.c_uint32)), *location, level, *size)
    return premultiplied_over_colour(argb, background)


def premultiplied_over_colour(argb: NDArray[np.uint32], colour: tuple[int, int, int]) -> Rgb:
    """Premultiplied ARGB, uint32 (h, w), laid over a colour: uint8 (h, w, 3)."""
    import cv2

    if not argb.size:
        return np.empty((*argb.shape, 3), np.uint8)
    bgra = argb.astype("<u4", copy=False).view(np.uint8).reshape(*argb.shape, 4)
    rgb = np.asarray(cv2.cvtColor(bgra, cv2.COLOR_BGRA2RGB), np.uint8)
    if argb.min() >= 0xFF000000:
        return rgb
    clear = 255 - bgra[..., 3:].astype(np.uint16)
    return (rgb + (np.asarray(colour, np.uint16) * clear + 127) // 255).astype(np.uint8)
