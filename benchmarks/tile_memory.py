"""Memory of inference on a CPU per pixel of the grid, which `predict.geometry.bytes_per_pixel_in_strips` foretells.

    python benchmarks/tile_memory.py

Each configuration and number type runs one large tile in a process of its own; what its peak resident memory grows by
over that of a small tile, divided by the pixels (of the grid) that the large one has more, stands beside the foretold.
"""

import resource
import subprocess
import sys

import numpy as np
import torch

from cerberus_annotate.network.cerberus import Cerberus
from cerberus_annotate.network.config import lean_config, official_config, output_classes
from cerberus_annotate.network.folding import fold_norms
from cerberus_annotate.predict.geometry import NUCLEUS_HALO, bytes_per_pixel_in_strips
from cerberus_annotate.predict.inference import REFERENCE_KEPT, Geometry, tile_maps

CONFIGURATIONS = {"lean": lean_config, "official": official_config}
TYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
LARGE = 7 * REFERENCE_KEPT


def main() -> None:
    """Prints a line for each configuration and number type."""
    if len(sys.argv) == 3:
        measure(*sys.argv[1:])
        return
    for name in CONFIGURATIONS:
        for kind in TYPES:
            subprocess.run([sys.executable, __file__, name, kind], check=True)


def measure(name: str, kind: str) -> None:
    """Prints the bytes of one of them, in this process."""
    config, dtype = CONFIGURATIONS[name](), TYPES[kind]
    network = fold_norms(Cerberus(config).eval()).to(dtype).to(memory_format=torch.channels_last)
    small, pixels = peak_after(network, REFERENCE_KEPT, dtype)
    large, more = peak_after(network, LARGE, dtype)
    foretold = bytes_per_pixel_in_strips(config, dtype)
    print(f"{name} {kind}: {(large - small) / (more - pixels):.0f} bytes a pixel, foretold {foretold:.0f}", flush=True)


def peak_after(network: Cerberus, kept: int, dtype: torch.dtype) -> tuple[int, int]:
    """(peak resident bytes of the process, pixels of the grid) after one tile of a kept side."""
    config = network.config
    geometry = Geometry(kept, NUCLEUS_HALO, config.margin - NUCLEUS_HALO)
    side = kept + 2 * geometry.reach
    tile = np.full((side * config.stem_stride, side * config.stem_stride, 3), 255, np.uint8)
    tile_maps(network, [tile], geometry, list(output_classes(config)), dtype)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, side**2


if __name__ == "__main__":
    main()
