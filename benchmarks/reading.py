"""CPU seconds that a mm² of slide takes to read in tiles that overlap, beside plain OpenSlide with Pillow's resize.

    python -m benchmarks.reading SLIDE ... [--mpp 0.25] [--mm2 4]

Tiles of several sides (px of the grid, margin added on each side) are laid over the middle of each slide. `read` is
`read_scaled`, with the slide opened anew for each measurement; `openslide` reads the same windows with
`openslide.OpenSlide.read_region` from the best level, makes them RGB and resizes each with `PIL.Image.resize`. MB/s are
MB of RGB that `read` gives a second of CPU time. `2 threads` is how much sooner two threads are done with the tiles
than one, by the clock: 2 at best, and meaningless where other programs keep the cores busy. Each figure is the best of
several, taken by turns.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import cv2
import numpy as np
import openslide
from numpy.typing import NDArray
from PIL import Image

from cerberus_annotate.slide import grid_size, open_slide, read_scaled

SIDES = (720, 1440, 2880)
MARGIN = 208
"""Of the bundled model: 104 px at 0.5 µm/px."""

REPEATS = 3

Window = tuple[int, int, int, int]
"""x, y, width, height in px of the grid."""


@dataclass(frozen=True)
class Reading:
    """Windows of a slide's grid, and the area in mm² that they cover without their margins."""

    path: Path
    scale: tuple[float, float]
    windows: Sequence[Window]
    mm2: float

    def ours(self, threads: int = 1) -> None:
        with open_slide(self.path) as slide, ThreadPoolExecutor(threads) as pool:
            list(pool.map(lambda window: read_scaled(slide, *window, self.scale).shape, self.windows))

    def plain(self) -> None:
        with openslide.OpenSlide(self.path) as slide:
            for window in self.windows:
                plain_read(slide, window, self.scale)

    @property
    def megabytes(self) -> float:
        return sum(3 * width * height for _, _, width, height in self.windows) / 1e6


def plain_read(slide: openslide.OpenSlide, window: Window, scale: tuple[float, float]) -> NDArray[np.uint8]:
    """A window as most scripts read it."""
    x, y, width, height = window
    level = slide.get_best_level_for_downsample(min(scale) * 1.0001)
    step = [by / slide.level_downsamples[level] for by in scale]
    size = round(width * step[0]), round(height * step[1])
    image = slide.read_region((round(x * scale[0]), round(y * scale[1])), level, size)
    return np.asarray(image.convert("RGB").resize((width, height), Image.Resampling.BILINEAR))


def laid(path: Path, mpp: float, side: int, mm2: float) -> Reading:
    """As many tiles of `side` as lie inside the slide with their margins, at most `mm2` of them (at least one)."""
    with open_slide(path) as slide:
        own = slide.mpp or (mpp, mpp)
        scale = mpp / own[0], mpp / own[1]
        columns, rows = grid_size(slide, scale)
    across, down = ((count - 2 * MARGIN) // side for count in (columns, rows))
    most = max(1, int(np.sqrt(mm2) / (side * mpp / 1000)))
    across, down = max(1, min(across, most)), max(1, min(down, most))
    left, top = ((count - side * tiles) // 2 for count, tiles in ((columns, across), (rows, down)))
    windows = [
        (left + side * u - MARGIN, top + side * v - MARGIN, side + 2 * MARGIN, side + 2 * MARGIN)
        for v, u in product(range(down), range(across))
    ]
    return Reading(path, scale, windows, across * down * (side * mpp / 1000) ** 2)


def cpu(work: Callable[[], None]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def clock(work: Callable[[], None]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def line(path: Path, mpp: float, side: int, mm2: float) -> str:
    reading = laid(path, mpp, side, mm2)
    ours, plain, one, two = (
        min(times)
        for times in zip(
            *(
                (
                    cpu(reading.ours),
                    cpu(reading.plain),
                    clock(reading.ours),
                    clock(lambda: reading.ours(2)),
                )
                for _ in range(REPEATS)
            ),
            strict=True,
        )
    )
    threads = f"{one / two:.2f}" if len(reading.windows) > 1 else "-"
    return (
        f"{path.name:<38}{side:>6}{reading.mm2:>7.2f}{ours / reading.mm2:>9.3f}{plain / reading.mm2:>11.3f}"
        f"{plain / ours:>7.1f}{reading.megabytes / ours:>8.0f}{threads:>11}"
    )


def main() -> None:
    """Prints a line for each slide and side."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("slides", nargs="+", type=Path)
    parser.add_argument("--mpp", type=float, default=0.25, help="µm/px of the grid")
    parser.add_argument("--mm2", type=float, default=4, help="of a slide to read, about")
    given = parser.parse_args()
    cv2.setNumThreads(1)
    print(
        f"{'slide':<38}{'side':>6}{'mm²':>7}{'read':>9}{'openslide':>11}{'ratio':>7}{'MB/s':>8}{'2 threads':>11}\n"
        f"{'':<51}{'s/mm²':>9}{'s/mm²':>11}"
    )
    for path, side in product(given.slides, SIDES):
        print(line(path, given.mpp, side, given.mm2), flush=True)


if __name__ == "__main__":
    main()
