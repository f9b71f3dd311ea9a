"""What is to be done with a slide, laid out once for whoever does a part of it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely
import torch
from numpy.typing import NDArray

from cerberus_annotate.errors import UsageError
from cerberus_annotate.network.model import TASK_OUTPUTS, Model
from cerberus_annotate.objects.instances import NucleusSettings
from cerberus_annotate.objects.pieces import Sides, TileIndex, shared_sides
from cerberus_annotate.objects.predicted import LeftOut
from cerberus_annotate.predict.inference import REFERENCE_KEPT, Geometry
from cerberus_annotate.predict.tile_objects import Extraction, MissingTile
from cerberus_annotate.predict.tiling import lay_tiles
from cerberus_annotate.slide import Slide, Tile, read_scaled


@dataclass(frozen=True)
class SlideWork:
    """A slide's tiles and what to make of them; may be sent to another process.

    tiles: all of the slide's.  indices: their (column, row).  scale: (sx, sy) level-0 px per network px.  finer: px of
    the network's input a network px has on a side.  outputs: of the network.  mpp: (x, y) µm per level-0 px.
    """

    tiles: tuple[Tile, ...]
    indices: frozenset[TileIndex]
    geometry: Geometry
    scale: tuple[float, float]
    mpp: tuple[float, float]
    finer: int
    outputs: tuple[str, ...]
    dtype: torch.dtype
    extraction: Extraction

    def shared(self, tile: Tile) -> Sides:
        """On which sides of a tile another one follows."""
        return shared_sides(self.extraction.index(tile), self.indices)

    def read(self, slide: Slide, tile: Tile) -> NDArray[np.uint8]:
        """The pixels that the network sees of a tile, uint8 (H, W, 3).  Raises SlideError."""
        cut, finer = self.geometry, self.finer
        step = REFERENCE_KEPT if cut.reference else 16
        width, height = (-(-side // step) * step + 2 * cut.reach for side in (tile.width, tile.height))
        left, top = tile.x - cut.reach, tile.y - cut.reach
        scale = (self.scale[0] / finer, self.scale[1] / finer)
        return read_scaled(slide, left * finer, top * finer, width * finer, height * finer, scale)

    def left_out(self, missing: MissingTile) -> LeftOut:
        """A tile that could not be read, in level-0 px."""
        tile, (sx, sy) = missing.tile, self.scale
        left, top = round(tile.x * sx), round(tile.y * sy)
        right, bottom = round((tile.x + tile.width) * sx), round((tile.y + tile.height) * sy)
        return LeftOut(left, top, right - left, bottom - top, missing.reason)


def lay_out(
    slide: Slide,
    mpp: tuple[float, float],
    model: Model,
    tasks: Sequence[str] | None,
    dtype: torch.dtype,
    areas: shapely.Geometry | None = None,
    reference: bool = False,
) -> SlideWork:
    """The work on a slide; `predict_slide` says what the arguments are.  Raises UsageError for an unknown task."""
    wanted = checked_tasks(model, tasks)
    tiling = lay_tiles(slide, mpp, model, wanted, dtype, areas, reference)
    cut = tiling.geometry
    extraction = Extraction(wanted, cut.side, cut.halo, tiling.size, nucleus_settings(model))
    return SlideWork(
        tiles=tuple(tiling.tiles),
        indices=frozenset(map(extraction.index, tiling.tiles)),
        geometry=cut,
        scale=tiling.scale,
        mpp=mpp,
        finer=model.stem_stride,
        outputs=tuple(name for task in wanted for name in TASK_OUTPUTS[task] if name in model.classes),
        dtype=dtype,
        extraction=extraction,
    )


def nucleus_settings(model: Model) -> NucleusSettings:
    """How the model's nuclei are cut out."""
    head = model.network.config.nucleus_head
    if head is None or not head.inner_contour:
        return NucleusSettings() if head is None else NucleusSettings(head.finer)
    return NucleusSettings(head.finer, True, head.threshold, head.marker, head.sure)


def checked_tasks(model: Model, tasks: Sequence[str] | None) -> tuple[str, ...]:
    """The tasks to do, all that the model has for None.  Raises UsageError for one that it lacks."""
    if tasks is None:
        return model.tasks
    unknown = [task for task in tasks if task not in TASK_OUTPUTS]
    if unknown:
        raise UsageError(f"There is no task '{unknown[0]}'; the tasks are {', '.join(TASK_OUTPUTS)}.")
    lacking = [task for task in tasks if task not in model.tasks]
    if lacking:
        raise UsageError(
            f"The model {model.name} has no head for '{lacking[0]}'; it has {', '.join(model.tasks)}. "
            "Leave the task out or choose another --model."
        )
    return tuple(dict.fromkeys(tasks))
