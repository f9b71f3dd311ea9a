"""Pixels of a tile in, byte maps of what the network sees out."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cerberus_annotate.errors import UsageError
from cerberus_annotate.network.cerberus import Cerberus
from cerberus_annotate.network.strip_by_strip import is_folded, strip_by_strip

REFERENCE_KEPT = 144
REFERENCE_MARGIN = 152
"""The reference keeps the central 144 px of 448 px patches (Cerberus' public inference code)."""

Maps = dict[str, NDArray[np.uint8]]
"""By output name. INST heads: (2, h, w) probabilities of inside and contour, 0 to 255, on pixels finer than the grid
where the head is. TYPE heads: (h, w) class indices. The tissue head: (2, rows, columns) class indices of 144 px cells
and their probabilities, 0 to 255."""


@dataclass(frozen=True)
class Geometry:
    """How tiles are cut, in network px.

    side: of the kept square, a multiple of 144, so also of 16.  halo: maps reach so far beyond the kept square.
    margin: of context beyond the maps.  reference: whether the network sees 448 px patches as the public code does.
    """

    side: int
    halo: int
    margin: int
    reference: bool = False

    @property
    def reach(self) -> int:
        """px to read around the kept square on each side."""
        return self.halo + self.margin


def cpu_computes_in_bf16() -> bool:
    """Whether this processor has instructions for bf16 and this torch uses them; emulated, it is slower than fp32."""
    return torch.backends.mkldnn.is_available() and (
        torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    )


def choose_precision(device: str, wanted: str) -> torch.dtype:
    """The number type for `auto`, `fp32`, `bf16` or `fp16` on a device.

    `auto` is bf16 where the processor or GPU computes in it, fp16 on older GPUs, else fp32. Raises UsageError for
    fp16 on a CPU, which is slower than fp32 there.
    """
    if wanted == "auto":
        if device.startswith("cuda"):
            return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
        if device == "cpu" and cpu_computes_in_bf16():
            return torch.bfloat16
        return torch.float32
    if wanted == "fp16" and device == "cpu":
        raise UsageError("fp16 is for GPUs; on a CPU give --precision bf16, fp32 or auto.")
    return {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[wanted]


def tile_maps(
    network: Cerberus,
    tiles: list[NDArray[np.uint8]],
    geometry: Geometry,
    outputs: Collection[str],
    dtype: torch.dtype,
) -> list[Maps]:
    """The maps of tiles of one shape.

    tiles: uint8 (H, W, 3), each the kept rectangle with `geometry.reach` px around it, the kept sides multiples of 16
    px of the grid (of 144 for the reference geometry), all times the stem's stride. Maps cover the kept rectangle with
    `geometry.halo` px around it, the tissue head's cells the kept rectangle. `network` is in eval mode and of `dtype`;
    on a CPU a folded one is computed in strips, tile after tile.
    """
    device = next(network.parameters()).device
    if device.type == "cpu" and is_folded(network) and not geometry.reference:
        return [_maps_by_strips(network, tile, geometry, outputs) for tile in tiles]
    stack = torch.from_numpy(np.stack(tiles)).permute(0, 3, 1, 2).to(device)
    with torch.inference_mode():
        if geometry.reference:
            return _reference_maps(network, stack, geometry, outputs, dtype)
        pixels = stack.to(dtype).contiguous(memory_format=torch.channels_last)
        logits = network(pixels, geometry.margin, outputs, cell_margin=geometry.reach)
        found = {name: _to_bytes(name, value).cpu().numpy() for name, value in logits.items()}
    return [{name: value[index] for name, value in found.items()} for index in range(len(tiles))]


def _maps_by_strips(network: Cerberus, tile: NDArray[np.uint8], geometry: Geometry, outputs: Collection[str]) -> Maps:
    with torch.inference_mode():
        found = strip_by_strip(
            network, torch.from_numpy(tile), geometry.margin, outputs, _to_bytes, cell_margin=geometry.reach
        )
    return {name: value[0].numpy() for name, value in found.items()}


def _to_bytes(name: str, logits: Tensor) -> Tensor:
    """What `Maps` holds of a head."""
    if name.endswith("-TYPE"):
        return logits.argmax(1).to(torch.uint8)
    # softmax runs along classes that lie apart; interleaved, as channels last, it takes twice as long
    probability = logits.contiguous().softmax(1, dtype=torch.float32)
    if name.endswith("-INST"):
        return probability[:, 1:].mul(255).round_().to(torch.uint8)
    return torch.stack([logits.argmax(1).to(torch.uint8), probability.amax(1).mul(255).round_().to(torch.uint8)], 1)


def _reference_maps(
    network: Cerberus, stack: Tensor, geometry: Geometry, outputs: Collection[str], dtype: torch.dtype
) -> list[Maps]:
    """As the public code computes them: patch by patch, each 144 px square from its own 448 px patch."""
    results = []
    for image in stack:
        rows, columns = ((side - 2 * REFERENCE_MARGIN) // REFERENCE_KEPT for side in (image.shape[1], image.shape[2]))
        found: Maps = {}
        around = geometry.halo // REFERENCE_KEPT
        for row in range(rows):
            for column in range(columns):
                top, left = row * REFERENCE_KEPT, column * REFERENCE_KEPT
                side = REFERENCE_KEPT + 2 * REFERENCE_MARGIN
                patch = image[None, :, top : top + side, left : left + side]
                for name, value in network(patch.to(dtype), REFERENCE_MARGIN, outputs).items():
                    part = _to_bytes(name, value)[0].cpu().numpy()
                    height, width = part.shape[-2:]
                    shape = (*part.shape[:-2], rows * height, columns * width)
                    canvas = found.setdefault(name, np.zeros(shape, np.uint8))
                    canvas[..., row * height : (row + 1) * height, column * width : (column + 1) * width] = part
        results.append(
            {
                name: value[:, around : rows - around, around : columns - around]
                if value.shape[-2:] == (rows, columns)
                else value
                for name, value in found.items()
            }
        )
    return results
