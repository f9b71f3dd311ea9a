"""From the byte maps of one tile to its objects: pure, without torch, so that any process or machine can do it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from cerberus_annotate.objects.instances import NucleusSettings, area_foreground, gland_settings, lumen_settings
from cerberus_annotate.objects.nuclei import Nuclei, nuclei_in_tile
from cerberus_annotate.objects.pieces import Sides, TileIndex, TilePieces, area_pieces
from cerberus_annotate.slide import Tile

AREA_SETTINGS = {"gland": gland_settings(), "lumen": lumen_settings()}

Maps = Mapping[str, NDArray[np.uint8]]
"""As `predict.inference` gives them."""


@dataclass(frozen=True)
class Extraction:
    """How the maps of a slide's tiles become objects.

    tasks: what is wanted.  side, halo: of the tiles, in network px.  size: (width, height) of the image in network px.
    """

    tasks: tuple[str, ...]
    side: int
    halo: int
    size: tuple[int, int]
    nucleus_settings: NucleusSettings

    def index(self, tile: Tile) -> TileIndex:
        """(column, row) of a tile."""
        return tile.x // self.side, tile.y // self.side


@dataclass(frozen=True)
class TileObjects:
    """What one tile holds, in network px with the origin at the image's; may be sent to another process.

    nuclei: those that the tile owns, with doubles near its border.  areas: task → pieces.  tissue: class indices and
    probabilities of 144 px cells, uint8 (2, rows, columns).
    """

    tile: Tile
    nuclei: Nuclei | None
    areas: Mapping[str, TilePieces]
    tissue: NDArray[np.uint8] | None

    def __getstate__(self) -> dict[str, Any]:
        # polygons one by one take shapely ten times as long
        state = dict(self.__dict__)
        if self.nuclei is not None:
            state["nuclei"] = replace(self.nuclei, polygons=shapely.to_wkb(self.nuclei.polygons))
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        nuclei = state["nuclei"]
        if nuclei is not None:
            state["nuclei"] = replace(nuclei, polygons=shapely.from_wkb(nuclei.polygons))
        self.__dict__.update(state)


@dataclass(frozen=True)
class MissingTile:
    """A tile that has no objects because it could not be read, and why, as a sentence."""

    tile: Tile
    reason: str


def extract_tile(extraction: Extraction, tile: Tile, shared: Sides, maps: Maps) -> TileObjects:
    """The objects of a tile; `shared` says on which sides another tile of the slide follows."""
    areas = {task: _pieces(extraction, task, tile, shared, maps) for task in AREA_SETTINGS if task in extraction.tasks}
    nuclei = _nuclei(extraction, tile, maps) if "nuclei" in extraction.tasks else None
    return TileObjects(tile, nuclei, areas, maps["Patch-Class"] if "tissue" in extraction.tasks else None)


def _pieces(extraction: Extraction, task: str, tile: Tile, shared: Sides, maps: Maps) -> TilePieces:
    head, halo = task.capitalize(), extraction.halo
    kept = np.s_[halo : halo + tile.height, halo : halo + tile.width]
    inside, contour = (probability[kept] for probability in _probabilities(maps[f"{head}-INST"]))
    types = maps.get(f"{head}-TYPE")
    settings = AREA_SETTINGS[task]
    foreground = area_foreground(inside, contour, settings)
    return area_pieces(foreground, inside, None if types is None else types[kept], settings, (tile.x, tile.y), shared)


def _nuclei(extraction: Extraction, tile: Tile, maps: Maps) -> Nuclei:
    halo = extraction.halo
    inside, contour = maps["Nuclei-INST"]
    return nuclei_in_tile(
        inside,
        contour,
        maps.get("Nuclei-TYPE"),
        settings=extraction.nucleus_settings,
        origin=(tile.x - halo, tile.y - halo),
        kept=(tile.x, tile.y, tile.x + tile.width, tile.y + tile.height),
        image_size=extraction.size,
    )


def _probabilities(maps: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Bytes (2, H, W) back to probabilities of inside and contour, float32."""
    return maps.astype(np.float32) / np.float32(255)
