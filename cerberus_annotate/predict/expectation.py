"""How long a slide will take on this machine, before it is begun."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely
import torch

from cerberus_annotate.network.model import Model
from cerberus_annotate.predict.inference import REFERENCE_KEPT, REFERENCE_MARGIN, Geometry, choose_precision, tile_maps
from cerberus_annotate.predict.stream import network_in
from cerberus_annotate.predict.tiling import lay_tiles
from cerberus_annotate.slide import Slide

PROBE = Geometry(2 * REFERENCE_KEPT, 0, 0)

OTHER_SECONDS_PER_MM2 = 1.2
"""Reading, outlines and writing of dense tissue on two cores (`benchmark speed`); they hardly depend on the model."""


@dataclass(frozen=True)
class Speed:
    """What the network does in a second on its device.  pixels: computed px of the grid, margins included."""

    pixels: float
    dtype: torch.dtype


def measure_speed(model: Model, precision: str = "auto") -> Speed:
    """Times the network on one small tile, after one that warms it up.  Raises UsageError as `choose_precision`."""
    dtype = choose_precision(model.device, precision)
    network = network_in(model, dtype)
    side = PROBE.side * model.stem_stride
    tile = np.random.default_rng(0).integers(0, 255, (side, side, 3), np.uint8)
    seconds = 0.0
    for _ in range(2):
        started = time.perf_counter()
        tile_maps(network, [tile], PROBE, list(model.classes), dtype)
        seconds = time.perf_counter() - started
    return Speed(PROBE.side**2 / seconds, dtype)


def expected_work(
    slide: Slide,
    mpp: tuple[float, float],
    model: Model,
    speed: Speed,
    *,
    tasks: Sequence[str],
    areas: shapely.Geometry | None = None,
    geometry: str = "auto",
) -> tuple[int, float]:
    """(tiles, seconds) of `predict_slide` with the same arguments; the seconds are rough and for all tasks."""
    tiling = lay_tiles(slide, mpp, model, tasks, speed.dtype, areas, geometry == "reference")
    cut = tiling.geometry
    computed = sum(_computed(tile.width, cut) * _computed(tile.height, cut) for tile in tiling.tiles)
    kept = tiling.size[0] * tiling.size[1] if tiling.areas is None else tiling.areas.area
    return len(tiling.tiles), computed / speed.pixels + kept * model.mpp**2 / 1e6 * OTHER_SECONDS_PER_MM2


def _computed(side: int, geometry: Geometry) -> float:
    """px along one axis that the network sees for a tile."""
    if not geometry.reference:
        return side + 2 * geometry.reach
    patches = -(-(side + 2 * geometry.halo) // REFERENCE_KEPT)
    return patches * (REFERENCE_KEPT + 2 * REFERENCE_MARGIN)
