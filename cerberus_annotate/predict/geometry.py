"""How large the tiles are: as large as memory allows, cut so that little is computed in vain."""

import math

import torch

from cerberus_annotate.network.config import NetworkConfig
from cerberus_annotate.predict.inference import REFERENCE_KEPT, REFERENCE_MARGIN, Geometry

NUCLEUS_HALO = 48
"""px at the network's mpp (24 µm) around a tile in which its border nuclei are still seen whole."""

LEAST_MARGIN = 8
"""px of context that the halo has at least; 8 modulo 16, the phase of margins."""

LARGEST_SIDE = 2016
CPU_BUDGET = 1.1e9
"""Bytes of one tile; as many tiles are computed side by side as there are lanes."""

GPU_SHARE = 0.5


def choose_geometry(
    config: NetworkConfig,
    size: tuple[int, int],
    nuclei: bool,
    dtype: torch.dtype,
    device: str,
    reference: bool = False,
) -> Geometry:
    """The tiling for an image of `size` (width, height) in network px.

    Of the sides whose tile fits in memory the one with the fewest computed pixels. `reference` gives the public
    code's patches, assembled to blocks of 1008 px.
    """
    if reference:
        return Geometry(7 * REFERENCE_KEPT, REFERENCE_KEPT if nuclei else 0, REFERENCE_MARGIN, reference=True)
    halo = NUCLEUS_HALO if nuclei else 0
    # what is kept has the whole margin of context; the halo, there for nuclei that reach out of it, lies within it
    margin = max(config.margin - halo, LEAST_MARGIN)
    reach = margin + halo
    each = bytes_per_pixel_in_strips(config, dtype) if device == "cpu" else bytes_per_pixel(config, dtype)
    fitting = math.isqrt(int(memory_budget(device) / each)) - 2 * reach
    largest = min(max(fitting, REFERENCE_KEPT), LARGEST_SIDE)
    sides = range(REFERENCE_KEPT, largest + 1, REFERENCE_KEPT)
    side = min(sides, key=lambda s: (math.prod(_computed(length, s, reach) for length in size), s))
    return Geometry(side, halo, margin)


def bytes_per_pixel(config: NetworkConfig, dtype: torch.dtype) -> float:
    """Peak memory per pixel of the grid where a tile is computed at once: on GPUs and by `Cerberus.forward`.

    Fitted to what `benchmarks/tile_memory.py` measured: 1118 bytes for the official and 651 for the lean configuration
    in fp32, 560 and 337 in bf16.
    """
    return dtype.itemsize * (2.75 * config.widths[0] + 91)


def bytes_per_pixel_in_strips(config: NetworkConfig, dtype: torch.dtype) -> float:
    """Peak memory per pixel of the grid where a processor computes a tile strip by strip, its bytes included.

    Fitted to what `benchmarks/tile_memory.py` measures: 207 bytes for the lean configuration in bf16, 363 in fp32, 271
    for the official one in bf16.
    """
    return 55 + dtype.itemsize * (config.widths[0] + 46)


def memory_budget(device: str) -> float:
    """Bytes that one batch of tiles may take."""
    if device.startswith("cuda"):
        free, _ = torch.cuda.mem_get_info(torch.device(device))
        return free * GPU_SHARE
    return CPU_BUDGET


def default_batch_size(config: NetworkConfig, geometry: Geometry, dtype: torch.dtype, device: str) -> int:
    """Tiles at a time: as many as fit on a GPU, up to 16; one on a CPU, where more gain nothing."""
    if not device.startswith("cuda") or geometry.reference:
        return 1
    pixels = (geometry.side + 2 * geometry.reach) ** 2
    return max(1, min(16, int(memory_budget(device) / (pixels * bytes_per_pixel(config, dtype)))))


def _computed(length: int, side: int, reach: int) -> int:
    """Computed px along one axis, over all tiles."""
    whole, rest = divmod(length, side)
    return whole * (side + 2 * reach) + (rest + 2 * reach if rest else 0)
