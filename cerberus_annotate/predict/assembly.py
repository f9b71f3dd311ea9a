"""The objects of a slide, put together from those of its tiles in whatever order they come."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import shapely
from numpy.typing import NDArray

from cerberus_annotate.objects.joining import Area, AreaJoiner, area_objects, resolve_overlaps, tissue_areas
from cerberus_annotate.objects.lumina import place_lumina
from cerberus_annotate.objects.nuclei import Nuclei, nucleus_objects
from cerberus_annotate.objects.nucleus_joining import NucleusJoiner
from cerberus_annotate.objects.predicted import PredictedObject
from cerberus_annotate.predict.inference import REFERENCE_KEPT
from cerberus_annotate.predict.tile_objects import AREA_SETTINGS, Extraction, MissingTile, TileObjects
from cerberus_annotate.slide import Tile


class Assembly:
    """Takes the objects of one tile after another; gives those of the slide, in network px, to `give`.

    `tiles` are all that will come, as TileObjects or MissingTile. `classes` are the channel names by output name.
    Nuclei are given on as soon as no tile still to come can change them, the rest by `finish`.
    """

    def __init__(
        self,
        extraction: Extraction,
        tiles: Sequence[Tile],
        classes: Mapping[str, tuple[str, ...]],
        give: Callable[[list[PredictedObject]], None],
    ) -> None:
        self._extraction = extraction
        self._classes = classes
        self._give = give
        indices = [extraction.index(tile) for tile in tiles]
        self._neighbours = NucleusJoiner(indices, extraction.halo)
        self._joiners = {
            task: AreaJoiner(settings, extraction.size, indices)
            for task, settings in AREA_SETTINGS.items()
            if task in extraction.tasks
        }
        self._areas: dict[str, list[Area]] = {task: [] for task in self._joiners}
        width, height = extraction.size
        rows, columns = (-(-length // REFERENCE_KEPT) for length in (height, width))
        self._tissue = np.zeros((2, rows, columns), np.uint8)
        self.found = 0
        """Objects so far, before those of neighbouring tiles are compared."""

    def add(self, result: TileObjects | MissingTile) -> None:
        """Takes what a tile gave."""
        tile = result.tile
        index = self._extraction.index(tile)
        if isinstance(result, MissingTile):
            self._neighbours.leave_out(index)
            return
        if result.nuclei is not None:
            self.found += len(result.nuclei)
            kept = (tile.x, tile.y, tile.x + tile.width, tile.y + tile.height)
            for certain in self._neighbours.add(index, kept, result.nuclei):
                self._give_nuclei(certain)
        for task, joiner in self._joiners.items():
            complete = joiner.add(index, result.areas[task])
            self.found += len(complete)
            self._areas[task] += complete
        if result.tissue is not None:
            top, left = tile.y // REFERENCE_KEPT, tile.x // REFERENCE_KEPT
            cells = result.tissue
            part = self._tissue[:, top : top + cells.shape[1], left : left + cells.shape[2]]
            part[...] = cells[:, : part.shape[1], : part.shape[2]]

    def finish(self) -> None:
        """Gives all that is left: glands, their lumina, tissue areas, and nuclei near borders."""
        areas = {
            task: resolve_overlaps([*self._areas[task], *joiner.close()]) for task, joiner in self._joiners.items()
        }
        glands = area_objects(areas.get("gland", []), "gland", self._types("Gland-TYPE"))
        lumina = area_objects(areas.get("lumen", []), "lumen")
        if "gland" in self._joiners:
            lumina = place_lumina(lumina, glands)
        self._give([*glands, *lumina, *self._tissue_objects()])
        self._give_nuclei(self._neighbours.close())

    def _give_nuclei(self, nuclei: Nuclei) -> None:
        self._give(nucleus_objects(nuclei, self._types("Nuclei-TYPE")))

    def _types(self, output: str) -> tuple[str, ...]:
        return self._classes.get(output, ())

    def _tissue_objects(self) -> list[PredictedObject]:
        classes, score = self._tissue
        image = shapely.box(0, 0, *self._extraction.size)
        areas = [
            replace(area, polygon=shapely.intersection(shapely.transform(area.polygon, _cells_to_px), image))
            for area in tissue_areas(classes, score / np.float32(255))
        ]
        return area_objects(areas, "tissue", self._types("Patch-Class"), tolerance=0)


def _cells_to_px(xy: NDArray[np.float64]) -> NDArray[np.float64]:
    return xy * REFERENCE_KEPT
