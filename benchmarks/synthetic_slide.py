"""A slide of any size that stores no pixels, and a network that finds what it shows without convolutions.

Every pixel follows from its place: nuclei on a jittered lattice, about 125,000 a gigapixel, and round glands. Red tells
nuclei and their rims, blue their types, green glands; the network reads just that.
"""

from collections.abc import Collection
from functools import cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cerberus_annotate.network.config import (
    INSTANCE_CLASSES,
    NUCLEUS_GROUPS,
    DecoderConfig,
    HeadConfig,
    NetworkConfig,
)
from cerberus_annotate.network.model import Model
from cerberus_annotate.slide import Level, Region, Slide

MPP = 0.25
DETAILED, OVERVIEW = 2, 32
"""Downsamples of the levels beside the first: the network's, and one for finding tissue, which shows no objects."""

NUCLEUS_PITCH = 89
GLAND_PITCH = 1800
"""Level-0 px from one to the next."""

TISSUE = (225, 170, 200)
INSIDE, RIM, GLAND = 50, 125, 50
"""Red inside a nucleus and on its rim, green inside a gland."""
TYPE_STEP = 40
"""Blue a type."""


class SyntheticSlide(Slide):
    """width, height in level-0 px of 0.25 µm."""

    def __init__(self, path: Path, width: int, height: int) -> None:
        levels = tuple(Level(float(each), width // each, height // each) for each in (1, DETAILED, OVERVIEW))
        super().__init__(path, levels, mpp=(MPP, MPP), magnification=40.0, format="openslide: synthetic")

    def _read_inside(self, region: Region, level: int) -> NDArray[np.uint8]:
        pixels = np.full((region.height, region.width, 3), TISSUE, np.uint8)
        downsample = round(self.levels[level].downsample)
        if downsample != OVERVIEW:
            _draw_glands(pixels, region, downsample)
            _draw_nuclei(pixels, region, downsample)
        return pixels

    def close(self) -> None:
        """Nothing to let go of."""


def expected_nuclei(width: int, height: int) -> int:
    """How many lie wholly in a slide."""
    return (width // NUCLEUS_PITCH) * (height // NUCLEUS_PITCH)


def _draw_nuclei(pixels: NDArray[np.uint8], region: Region, downsample: int) -> None:
    pitch = NUCLEUS_PITCH / downsample
    for row, column in _cells(region, pitch):
        number = _scattered(row, column)
        inside, rim = _nucleus(number % 8, downsample)
        jitter = 40 // downsample
        top = int(row * pitch) + number // 8 % jitter - region.y
        left = int(column * pitch) + number // 512 % jitter - region.x
        kind = 1 + number // 65536 % (len(NUCLEUS_GROUPS) - 1)
        target, mine = _common(pixels, top, left, inside.shape)
        if target.size:
            target[..., 0][rim[mine]] = RIM
            target[..., 0][inside[mine]] = INSIDE
            target[..., 2][(rim | inside)[mine]] = kind * TYPE_STEP


def _draw_glands(pixels: NDArray[np.uint8], region: Region, downsample: int) -> None:
    pitch = GLAND_PITCH / downsample
    for row, column in _cells(region, pitch):
        number = _scattered(column, row)
        disc = _disc((300 + 25 * (number % 8)) // downsample)
        jitter = 700 // downsample
        top = int(row * pitch) + number // 8 % jitter - region.y
        left = int(column * pitch) + number // 4096 % jitter - region.x
        target, mine = _common(pixels, top, left, disc.shape)
        if target.size:
            target[..., 1][disc[mine]] = GLAND


def _cells(region: Region, pitch: float) -> list[tuple[int, int]]:
    """(row, column) of the lattice's cells that a region may show something of."""
    rows = range(int(region.y // pitch), int((region.y + region.height) // pitch) + 1)
    columns = range(int(region.x // pitch), int((region.x + region.width) // pitch) + 1)
    return [(row, column) for row in rows for column in columns]


def _common(
    pixels: NDArray[np.uint8], top: int, left: int, shape: tuple[int, ...]
) -> tuple[NDArray[np.uint8], tuple[slice, slice]]:
    """The part of `pixels` under a stamp of `shape` at (top, left), and which part of the stamp that is."""
    bottom, right = min(top + shape[0], pixels.shape[0]), min(left + shape[1], pixels.shape[1])
    first, second = max(top, 0), max(left, 0)
    mine = (slice(first - top, max(bottom, first) - top), slice(second - left, max(right, second) - left))
    return pixels[first : max(bottom, first), second : max(right, second)], mine


@cache
def _nucleus(kind: int, downsample: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Inside and rim of one of eight ellipses of 5.5 to 9.5 µm."""
    height, width = (22 + 2 * (kind % 4)) / downsample, (26 + 6 * (kind // 4)) / downsample
    y, x = np.mgrid[-height / 2 : height / 2 : 1, -width / 2 : width / 2 : 1] + 0.5
    away = np.hypot(2 * y / height, 2 * x / width)
    inside = away < 1 - 3 / height
    return inside, (away < 1) & ~inside


@cache
def _disc(radius: int) -> NDArray[np.bool_]:
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    return np.hypot(y, x) <= radius


def _scattered(row: int, column: int) -> int:
    """A number that looks random, the same for a cell every time."""
    number = (row * 0x9E3779B1 + column * 0x85EBCA77) & 0xFFFFFFFF
    number ^= number >> 15
    number = number * 0x2C1B3C6D & 0xFFFFFFFF
    return number ^ number >> 12


class SeeingNetwork(nn.Module):
    """Gives the logits of what `SyntheticSlide` shows; called as `Cerberus` is."""

    def __init__(self) -> None:
        super().__init__()
        self.config = NetworkConfig(
            blocks=(2, 2, 2, 2),
            widths=(32, 32, 64, 128, 192),
            stem_kernel=7,
            head_width=32,
            decoders=(
                DecoderConfig("Nuclei", (HeadConfig("INST", INSTANCE_CLASSES), HeadConfig("TYPE", NUCLEUS_GROUPS))),
                DecoderConfig("Gland", (HeadConfig("INST", INSTANCE_CLASSES),)),
            ),
            patch_head=None,
            mpp=DETAILED * MPP,
            margin=104,
        )
        self.weight = nn.Parameter(torch.ones(1), requires_grad=False)
        # norms that are not folded: computed whole, not strip by strip
        self.backbone = nn.ModuleDict({"bn1": nn.BatchNorm2d(1)})

    def forward(
        self, x: Tensor, margin: int, outputs: Collection[str], cell_margin: int | None = None
    ) -> dict[str, Tensor]:
        red, green, blue = x[:, :, margin : x.shape[2] - margin, margin : x.shape[3] - margin].split(1, 1)
        inside, rim = red < (INSIDE + RIM) / 2, (red > (INSIDE + RIM) / 2) & (red < (RIM + TISSUE[0]) / 2)
        gland = green < (GLAND + TISSUE[1]) / 2
        kinds = torch.arange(len(NUCLEUS_GROUPS), dtype=x.dtype).view(1, -1, 1, 1) * TYPE_STEP
        found = {
            "Nuclei-INST": torch.cat([~(inside | rim), inside, rim], 1).to(x.dtype) * 8,
            # torch finds the largest of interleaved classes, as networks give them, in a quarter of the time
            "Nuclei-TYPE": -(blue - kinds).abs().contiguous(memory_format=torch.channels_last),
            "Gland-INST": torch.cat([~gland, gland, torch.zeros_like(gland)], 1).to(x.dtype) * 8,
        }
        return {name: value for name, value in found.items() if name in outputs}


def seeing_model() -> Model:
    """The network as a run takes it."""
    return Model(SeeingNetwork().eval(), "seeing", "0" * 64, "cpu")  # type: ignore[arg-type]
