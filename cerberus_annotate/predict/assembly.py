"""The objects of a slide, gathered from the byte maps of its tiles."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import shapely
from numpy.typing import NDArray

from cerberus_annotate.objects.instances import NucleusSettings, area_foreground, gland_settings, lumen_settings
from cerberus_annotate.objects.joining import Area, AreaJoiner, area_objects, resolve_overlaps, tissue_areas
from cerberus_annotate.objects.lumina import place_lumina
from cerberus_annotate.objects.nuclei import Nuclei, join_nuclei, nuclei_in_tile, nucleus_objects
from cerberus_annotate.objects.predicted import PredictedObject
from cerberus_annotate.predict.inference import REFERENCE_KEPT, Geometry, Maps
from cerberus_annotate.slide import Tile

AREA_SETTINGS = {"gland": gland_settings(), "lumen": lumen_settings()}


class Assembly:
    """Takes the maps of one tile after another, in any order, and gives the slide's objects at the end.

    Objects are in network px. `classes` are the channel names by output name, `size` (width, height) is the image's,
    `tiles` are all that will come, `nucleus_settings` those of the model.
    """

    def __init__(
        self,
        classes: Mapping[str, tuple[str, ...]],
        tasks: Sequence[str],
        tiling: Geometry,
        size: tuple[int, int],
        tiles: Sequence[Tile],
        nucleus_settings: NucleusSettings,
    ) -> None:
        self._classes = classes
        self._tasks = tasks
        self._tiling = tiling
        self._nucleus_settings = nucleus_settings
        self._size = size
        indices = [self._index(tile) for tile in tiles]
        self._joiners = {
            task: AreaJoiner(settings, size, indices) for task, settings in AREA_SETTINGS.items() if task in tasks
        }
        self._areas: dict[str, list[Area]] = {task: [] for task in self._joiners}
        self._nuclei: list[Nuclei] = []
        rows, columns = (-(-length // REFERENCE_KEPT) for length in (size[1], size[0]))
        self._tissue = np.zeros((2, rows, columns), np.uint8)

    @property
    def found(self) -> int:
        """Objects so far, before those of neighbouring tiles are compared."""
        return sum(map(len, self._nuclei)) + sum(map(len, self._areas.values()))

    def add(self, tile: Tile, maps: Maps) -> None:
        """Takes the maps of a tile (as `tile_maps` gives them)."""
        if "nuclei" in self._tasks:
            self._nuclei.append(self._nuclei_of(tile, maps))
        for task, joiner in self._joiners.items():
            head = task.capitalize()
            inside, contour = (self._kept(tile, probability) for probability in _probabilities(maps[f"{head}-INST"]))
            types = maps.get(f"{head}-TYPE")
            self._areas[task] += joiner.add_tile(
                self._index(tile),
                tile.x,
                tile.y,
                area_foreground(inside, contour, AREA_SETTINGS[task]),
                inside,
                None if types is None else self._kept(tile, types),
            )
        if "tissue" in self._tasks:
            cells = maps["Patch-Class"]
            top, left = tile.y // REFERENCE_KEPT, tile.x // REFERENCE_KEPT
            part = self._tissue[:, top : top + cells.shape[1], left : left + cells.shape[2]]
            part[...] = cells[:, : part.shape[1], : part.shape[2]]

    def finish(self) -> list[PredictedObject]:
        """All objects: glands, their lumina, nuclei, tissue areas."""
        areas = {
            task: resolve_overlaps([*self._areas[task], *joiner.close()]) for task, joiner in self._joiners.items()
        }
        glands = area_objects(areas.get("gland", []), "gland", self._types("Gland-TYPE"))
        lumina = area_objects(areas.get("lumen", []), "lumen")
        if "gland" in self._tasks:
            lumina = place_lumina(lumina, glands)
        nuclei = nucleus_objects(join_nuclei(self._nuclei), self._types("Nuclei-TYPE"))
        return [*glands, *lumina, *nuclei, *self._tissue_objects()]

    def _index(self, tile: Tile) -> tuple[int, int]:
        return tile.x // self._tiling.side, tile.y // self._tiling.side

    def _types(self, output: str) -> tuple[str, ...]:
        return self._classes.get(output, ())

    def _kept(self, tile: Tile, values: NDArray) -> NDArray:
        """The kept rectangle of a map that reaches `halo` px beyond it."""
        halo = self._tiling.halo
        return values[halo : halo + tile.height, halo : halo + tile.width]

    def _nuclei_of(self, tile: Tile, maps: Maps) -> Nuclei:
        halo = self._tiling.halo
        inside, contour = _probabilities(maps["Nuclei-INST"])
        return nuclei_in_tile(
            inside,
            contour,
            maps.get("Nuclei-TYPE"),
            settings=self._nucleus_settings,
            origin=(tile.x - halo, tile.y - halo),
            kept=(tile.x, tile.y, tile.x + tile.width, tile.y + tile.height),
            image_size=self._size,
        )

    def _tissue_objects(self) -> list[PredictedObject]:
        classes, score = self._tissue
        image = shapely.box(0, 0, *self._size)
        areas = [
            replace(area, polygon=shapely.intersection(shapely.transform(area.polygon, _cells_to_px), image))
            for area in tissue_areas(classes, score / np.float32(255))
        ]
        return area_objects(areas, "tissue", self._types("Patch-Class"), tolerance=0)


def _cells_to_px(xy: NDArray[np.float64]) -> NDArray[np.float64]:
    return xy * REFERENCE_KEPT


def _probabilities(maps: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Bytes (2, H, W) back to probabilities of inside and contour, float32."""
    return maps.astype(np.float32) / np.float32(255)
