"""The rectangles in which a network goes over an image."""

from dataclasses import dataclass

import numpy as np
import shapely


@dataclass(frozen=True)
class Tile:
    """A kept rectangle in network px (grid at the network's mpp, origin at the image's), read with `margin`
    px more on each side."""

    x: int
    y: int
    width: int
    height: int
    margin: int


def tile_grid(
    width: int,
    height: int,
    side: int,
    margin: int,
    areas: shapely.Geometry | None = None,
    origin: tuple[int, int] = (0, 0),
) -> list[Tile]:
    """Tiles that cover an image of width × height network px without overlap, row by row.

    Tiles lie multiples of `side`, itself a multiple of 16 (the network's stride), from `origin`, where the first one
    is; tiles at the right and bottom border are cut to the image. With `areas` (network px) only tiles that share area
    with it are kept.
    """
    if side <= 0 or side % 16:
        raise ValueError(f"side must be a positive multiple of 16, not {side}")
    tiles = [
        Tile(x, y, min(side, width - x), min(side, height - y), margin)
        for y in range(origin[1], height, side)
        for x in range(origin[0], width, side)
    ]
    if areas is None or not tiles:
        return tiles
    corners = np.array([(t.x, t.y, t.x + t.width, t.y + t.height) for t in tiles], float)
    boxes = shapely.box(*corners.T)
    shapely.prepare(areas)
    wanted = shapely.intersects(areas, boxes) & ~shapely.touches(areas, boxes)
    return [tile for tile, keep in zip(tiles, wanted, strict=True) if keep]
