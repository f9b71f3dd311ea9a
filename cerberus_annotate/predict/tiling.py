"""The tiles of a slide for a model, the same for a run and for what is told before it."""

from collections.abc import Collection
from dataclasses import dataclass

import shapely
import torch

from cerberus_annotate.network.model import Model
from cerberus_annotate.predict.geometry import choose_geometry
from cerberus_annotate.predict.inference import Geometry
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
    """The tiles that touch `areas` (level-0 px); mpp: (x, y) µm per level-0 px."""
    scale = (model.mpp / mpp[0], model.mpp / mpp[1])
    size = grid_size(slide, scale)
    geometry = choose_geometry(model.network.config, size, "nuclei" in tasks, dtype, model.device, reference)
    grid_areas = None if areas is None else shapely.transform(areas, lambda xy: xy / scale)
    tiles = tile_grid(*size, geometry.side, geometry.reach, grid_areas)
    return Tiling(scale, size, grid_areas, geometry, tiles)
