"""Where patches lie in a reviewed region, and which objects count in which patch.

Rules:
- An object counts where at least half of its area lies in the reviewed region, and then as a whole, also the part
  outside. Any other object that the region touches is ignored, with all its pixels.
- A region larger than 1,024 px is laid out in equal cells. An object belongs to the cell that its representative point
  lies in, and the patch of that cell is as large as its objects need; in the patches of other cells it is ignored. So
  every object counts once, uncut. Every pixel without an object counts in its own cell.
- Objects of more than 2,048 px a side are cut: their pixels count in every cell that they lie in.
- Around all that is a margin of 128 px (fewer at the image's border), which is ignored: context for the network.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry import box
from shapely.geometry.base import BaseGeometry

CELL = 1024
LARGEST_WHOLE = 2048
MARGIN = 128


@dataclass(frozen=True)
class Patch:
    """x, y, width, height: the patch in px of the patches' grid. cell: the part of the region that is its own, in the
    same px. owned, cut: task → indices of the objects that count as a whole, and of those that are cut.
    """

    x: int
    y: int
    width: int
    height: int
    cell: BaseGeometry
    owned: Mapping[str, NDArray[np.intp]]
    cut: Mapping[str, NDArray[np.intp]]


def lay_patches(
    region: BaseGeometry,
    outlines: Mapping[str, np.ndarray],
    trees: Mapping[str, shapely.STRtree],
    size: tuple[int, int],
) -> list[Patch]:
    """The patches of a region.

    region: valid polygonal geometry; outlines: task → object array (n,) of valid polygons, trees: of them; size:
    (width, height) of the image; all in px of the patches' grid. A patch without any pixel of the region and any
    object is left out.
    """
    left, top, right, bottom = region.bounds
    across, down = _cell_edges(left, right), _cell_edges(top, bottom)
    columns, rows = len(across) - 1, len(down) - 1
    owners, cut = {}, {}
    for task, of_task in outlines.items():
        inside = np.flatnonzero(mainly_inside(of_task, region, trees[task]))
        bounds = shapely.bounds(of_task[inside])
        too_large = (bounds[:, 2:] - bounds[:, :2]).max(axis=1, initial=0) > LARGEST_WHOLE
        cut[task] = inside[too_large]
        kept = inside[~too_large]
        points = shapely.get_coordinates(shapely.point_on_surface(of_task[kept]))
        column = np.searchsorted(across[1:-1], points[:, 0], side="right")
        row = np.searchsorted(down[1:-1], points[:, 1], side="right")
        owners[task] = (kept, row * columns + column)
    patches = []
    for number in range(rows * columns):
        row, column = divmod(number, columns)
        square = box(across[column], down[row], across[column + 1], down[row + 1])
        cell = region if rows * columns == 1 else shapely.intersection(region, square)
        owned = {task: kept[cells == number] for task, (kept, cells) in owners.items()}
        if cell.area == 0 and not any(len(mine) for mine in owned.values()):
            continue
        patches.append(_patch(cell, owned, cut, outlines, size))
    return patches


def _cell_edges(low: float, high: float) -> NDArray[np.float64]:
    """Where cells of about CELL px at most begin and end. Edges inside lie between pixels: no centre is on one."""
    count = max(1, int(np.ceil((high - low) / CELL)))
    edges = np.linspace(low, high, count + 1)
    edges[1:-1] = edges[1:-1].round()
    return edges


def mainly_inside(outlines: np.ndarray, area: BaseGeometry, tree: shapely.STRtree) -> NDArray[np.bool_]:
    """Whether at least half of each outline's area lies in `area`, bool (n,); False for None. tree: of the outlines."""
    inside = np.zeros(len(outlines), bool)
    near = tree.query(area, predicate="intersects")
    if not len(near):
        return inside
    shapely.prepare(area)
    whole = shapely.covers(area, outlines[near])
    inside[near[whole]] = True
    crossing = near[~whole]
    if len(crossing):
        shared = shapely.area(shapely.intersection(outlines[crossing], area))
        inside[crossing] = shared >= 0.5 * shapely.area(outlines[crossing])
    return inside


def _patch(
    cell: BaseGeometry,
    owned: Mapping[str, NDArray[np.intp]],
    cut: Mapping[str, NDArray[np.intp]],
    outlines: Mapping[str, np.ndarray],
    size: tuple[int, int],
) -> Patch:
    bounds = [shapely.bounds(cell)[None]] + [shapely.bounds(outlines[task][mine]) for task, mine in owned.items()]
    every = np.concatenate(bounds)
    x, y = np.floor(np.nanmin(every[:, :2], axis=0)).astype(int) - MARGIN
    right, bottom = np.ceil(np.nanmax(every[:, 2:], axis=0)).astype(int) + MARGIN
    x, y = max(0, int(x)), max(0, int(y))
    width, height = min(int(right), size[0]) - x, min(int(bottom), size[1]) - y
    return Patch(x, y, width, height, cell, owned, cut)
