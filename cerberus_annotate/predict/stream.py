"""A slide in, its objects out: tiles are read ahead, go through the network, and become polygons beside it.

Memory holds a few tiles, the objects found so far, and the area objects that tiles still to come may complete.
"""

import copy
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice

import numpy as np
import shapely
import torch
from numpy.typing import NDArray

from cerberus_annotate.errors import ModelError, UsageError
from cerberus_annotate.network.cerberus import Cerberus
from cerberus_annotate.network.model import TASK_OUTPUTS, Model
from cerberus_annotate.objects.instances import NucleusSettings
from cerberus_annotate.objects.level0 import objects_at_level0
from cerberus_annotate.objects.predicted import PredictedObject
from cerberus_annotate.predict.assembly import Assembly
from cerberus_annotate.predict.geometry import default_batch_size
from cerberus_annotate.predict.inference import (
    REFERENCE_KEPT,
    Geometry,
    Maps,
    choose_precision,
    tile_maps,
)
from cerberus_annotate.predict.tiling import Tiling, lay_tiles
from cerberus_annotate.slide import Slide, Tile, read_scaled

READERS = 2
PENDING_EXTRACTIONS = 2

Progress = Callable[[int, int, int], None]
"""Called with tiles done, tiles in all, and objects found so far."""


def predict_slide(
    slide: Slide,
    mpp: tuple[float, float],
    model: Model,
    *,
    tasks: Sequence[str] | None = None,
    areas: shapely.Geometry | None = None,
    batch_size: int | None = None,
    precision: str = "auto",
    geometry: str = "auto",
    progress: Progress | None = None,
) -> list[PredictedObject]:
    """The objects of a slide; polygons in level-0 px as QuPath shows the slide, on float32 multiples of 0.01 px.

    mpp: (x, y) µm per level-0 px.  tasks: None for all that the model has.  areas: level-0 geometry; tiles that do not
    touch it are not computed, and objects of tiles that do may reach out of it.  batch_size: tiles at a time, None to
    choose by memory; halved where a GPU runs out of it.  geometry: `auto`, or `reference` for the public code's 448 px
    patches. Lumina are given with the gland around them as `parent`. Raises UsageError for a task that the model lacks,
    SlideError where the slide cannot be read, ModelError where a single tile does not fit on the GPU.
    """
    wanted = _checked_tasks(model, tasks)
    dtype = choose_precision(model.device, precision)
    tiling = lay_tiles(slide, mpp, model, wanted, dtype, areas, geometry == "reference")
    tiles, cut = tiling.tiles, tiling.geometry
    outputs = [name for task in wanted for name in TASK_OUTPUTS[task] if name in model.classes]
    network = network_in(model, dtype)
    batch = batch_size or default_batch_size(model.network.config, cut, dtype, model.device)
    assembly = Assembly(model.classes, wanted, cut, tiling.size, tiles, nucleus_settings(model))
    done = 0
    if progress is not None:
        progress(0, len(tiles), 0)
    with ThreadPoolExecutor(READERS) as readers, ThreadPoolExecutor(1) as extractor:
        pending: deque[Future[None]] = deque()
        for group in _batches(_read_ahead(readers, slide, tiling, model.stem_stride, READERS + batch), batch):
            maps = _maps_of(network, [pixels for _, pixels in group], cut, outputs, dtype)
            for (tile, _), found in zip(group, maps, strict=True):
                pending.append(extractor.submit(assembly.add, tile, found))
            while len(pending) > PENDING_EXTRACTIONS:
                pending.popleft().result()
            done += len(group)
            if progress is not None:
                progress(done, len(tiles), assembly.found)
        for waiting in pending:
            waiting.result()
    objects = assembly.finish()
    if progress is not None:
        progress(done, len(tiles), len(objects))
    return objects_at_level0(objects, tiling.scale, mpp=mpp)


def nucleus_settings(model: Model) -> NucleusSettings:
    """How the model's nuclei are cut out."""
    head = model.network.config.nucleus_head
    if head is None:
        return NucleusSettings()
    return NucleusSettings(head.finer, head.inner_contour, head.threshold, head.marker)


def network_in(model: Model, dtype: torch.dtype) -> Cerberus:
    """The model's network in a number type; a copy where that is another than its own."""
    return model.network if dtype == torch.float32 else copy.deepcopy(model.network).to(dtype)


def _checked_tasks(model: Model, tasks: Sequence[str] | None) -> tuple[str, ...]:
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


def _read_ahead(
    readers: ThreadPoolExecutor,
    slide: Slide,
    tiling: Tiling,
    finer: int,
    ahead: int,
) -> Iterator[tuple[Tile, NDArray[np.uint8]]]:
    """The tiles with their pixels, `finer` times as many a side as the grid has, in order, at most `ahead` of them read
    before they are asked for."""
    cut = tiling.geometry
    step = REFERENCE_KEPT if cut.reference else 16
    scale = (tiling.scale[0] / finer, tiling.scale[1] / finer)

    def read(tile: Tile) -> NDArray[np.uint8]:
        width, height = (-(-side // step) * step + 2 * cut.reach for side in (tile.width, tile.height))
        left, top = tile.x - cut.reach, tile.y - cut.reach
        return read_scaled(slide, left * finer, top * finer, width * finer, height * finer, scale)

    coming = iter(tiling.tiles)
    waiting = deque((tile, readers.submit(read, tile)) for tile in islice(coming, ahead))
    while waiting:
        tile, pixels = waiting.popleft()
        yield tile, pixels.result()
        waiting.extend((following, readers.submit(read, following)) for following in islice(coming, 1))


def _batches(
    tiles: Iterator[tuple[Tile, NDArray[np.uint8]]], size: int
) -> Iterator[list[tuple[Tile, NDArray[np.uint8]]]]:
    """Runs of consecutive tiles of one shape, at most `size` long."""
    group: list[tuple[Tile, NDArray[np.uint8]]] = []
    for tile, pixels in tiles:
        if group and (len(group) == size or group[0][1].shape != pixels.shape):
            yield group
            group = []
        group.append((tile, pixels))
    if group:
        yield group


def _maps_of(
    network: Cerberus,
    tiles: list[NDArray[np.uint8]],
    tiling: Geometry,
    outputs: Sequence[str],
    dtype: torch.dtype,
) -> list[Maps]:
    """As `tile_maps`, in halves where the GPU's memory does not do for all at once."""
    try:
        return tile_maps(network, tiles, tiling, outputs, dtype)
    except torch.OutOfMemoryError as error:
        if len(tiles) == 1:
            raise ModelError(
                "The GPU's memory does not do for a single tile; free some of it, or give --device cpu."
            ) from error
    torch.cuda.empty_cache()
    half = len(tiles) // 2
    return [maps for part in (tiles[:half], tiles[half:]) for maps in _maps_of(network, part, tiling, outputs, dtype)]
