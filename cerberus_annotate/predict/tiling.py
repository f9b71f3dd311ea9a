"""The tiles of a slide for a model, the same for a run and for what is told before it."""

import math
from collections.abc import Collection
from dataclasses import dataclass

import shapely
import torch

from cerberus_annotate.network.model import Model
from cerberus_annotate.predict.geometry import choose_geometry
from cerberus_annotate.predict.inference import REFERENCE_KEPT, Geometry
from cerberus_annotate.slide import Slide, Tile, grid_size, tile_grid


@dataclass(frozen=True)
class Tiling:
    """How a slide is cut for a model.

    scale: (sx, sy) level-0 px per network px.  size: (width, height) in network px.  areas: where to look, in network
    px, None for everywhere.
    """

    scale: tuple[float, float]
    size: tuple[int, int]
    areas: shapely.Geometry | None
    geometry: Geometry
    tiles: list[Tile]


def lay_tiles(
    slide: Slide,
    mpp: tuple[float, float],
    model: Model,
    tasks: Collection[str],
    dtype: torch.dtype,
    areas: shapely.Geometry | None = None,
    reference: bool = False,
) -> Tiling:
    """The tiles that touch `areas` (level-0 px); mpp: (x, y) µm per level-0 px.

    They are laid from the upper left corner of the areas, so that a small region takes few of them.
    """
    scale = (model.mpp / mpp[0], model.mpp / mpp[1])
    size = grid_size(slide, scale)
    grid_areas = None if areas is None else shapely.transform(areas, lambda xy: xy / scale)
    left, top, right, bottom = _window(grid_areas, size)
    window = (right - left, bottom - top)
    geometry = choose_geometry(model.network.config, window, "nuclei" in tasks, dtype, model.device, reference)
    tiles = tile_grid(*size, geometry.side, geometry.reach, grid_areas, (left, top))
    return Tiling(scale, size, grid_areas, geometry, tiles)


def _window(areas: shapely.Geometry | None, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of what is to be covered; the corner lies on the grid of the reference's patches."""
    if areas is None or areas.is_empty:
        return 0, 0, *size
    bounds = areas.bounds
    right, bottom = (min(max(math.ceil(bounds[2 + at]), 1), size[at]) for at in (0, 1))
    left, top = (
        min(max(math.floor(bounds[at]), 0), end - 1) // REFERENCE_KEPT * REFERENCE_KEPT
        for at, end in enumerate((right, bottom))
    )
    return left, top, right, bottom
