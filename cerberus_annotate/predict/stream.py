"""A slide in, its objects out, in bounded memory."""

import copy
from collections.abc import Callable, Iterator, Sequence

import shapely
import torch

from cerberus_annotate.network.cerberus import Cerberus
from cerberus_annotate.network.model import Model
from cerberus_annotate.objects.level0 import objects_at_level0
from cerberus_annotate.objects.store import ObjectStore
from cerberus_annotate.predict.assembly import Assembly
from cerberus_annotate.predict.geometry import default_batch_size
from cerberus_annotate.predict.inference import choose_precision
from cerberus_annotate.predict.lanes import results_in_lanes
from cerberus_annotate.predict.on_devices import results_on_devices
from cerberus_annotate.predict.slide_work import SlideWork, lay_out
from cerberus_annotate.predict.tile_objects import MissingTile, TileObjects
from cerberus_annotate.slide import Slide, Tile

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
) -> ObjectStore:
    """The objects of a slide; polygons in level-0 px as QuPath shows the slide, on float32 multiples of 0.01 px.

    mpp: (x, y) µm per level-0 px.  tasks: None for all that the model has.  areas: level-0 geometry; tiles that do not
    touch it are not computed, and objects of tiles that do may reach out of it.  batch_size: tiles at a time on a GPU,
    None to choose by memory; halved where it runs out of it.  geometry: `auto`, or `reference` for the public code's
    448 px patches. Lumina are given with the gland around them as `parent`. Tiles that cannot be read are among
    `left_out`. Raises UsageError for a task that the model lacks, ModelError where a single tile does not fit on the
    GPU, CerberusError where the nuclei do not fit on the disk of temporary files.
    """
    dtype = choose_precision(model.device, precision)
    work = lay_out(slide, mpp, model, tasks, dtype, areas, geometry == "reference")
    results = tile_results(slide, work, model, work.tiles, batch_size)
    return assemble(work, results, model.classes, progress)


def tile_results(
    slide: Slide,
    work: SlideWork,
    model: Model,
    tiles: Sequence[Tile],
    batch_size: int | None = None,
    lanes: int | None = None,
) -> Iterator[TileObjects | MissingTile]:
    """What some of the slide's tiles hold, in the order in which they are done.

    batch_size: on a GPU, None to choose by memory.  lanes: on a processor, None for as many as it has cores for.
    """
    network = network_in(model, work.dtype)
    if not model.device.startswith("cuda"):
        return results_in_lanes(slide, work, network, tiles, lanes)
    batch = batch_size or default_batch_size(model.network.config, work.geometry, work.dtype, model.device)
    return results_on_devices(slide, work, [network], tiles, batch)


def assemble(
    work: SlideWork,
    results: Iterator[TileObjects | MissingTile],
    classes: dict[str, tuple[str, ...]],
    progress: Progress | None = None,
) -> ObjectStore:
    """The slide's objects at level 0 from the results of all its tiles, in any order."""
    store = ObjectStore()
    assembly = Assembly(
        work.extraction,
        work.tiles,
        classes,
        lambda objects: store.add(objects_at_level0(objects, work.scale, mpp=work.mpp)),
    )
    told = progress or (lambda done, total, objects: None)
    told(0, len(work.tiles), 0)
    for done, result in enumerate(results, start=1):
        assembly.add(result)
        if isinstance(result, MissingTile):
            store.left_out.append(work.left_out(result))
        told(done, len(work.tiles), assembly.found)
    assembly.finish()
    told(len(work.tiles), len(work.tiles), sum(store.counts.values()))
    return store


def network_in(model: Model, dtype: torch.dtype) -> Cerberus:
    """The model's network in a number type; a copy where that is another than its own."""
    return model.network if dtype == torch.float32 else copy.deepcopy(model.network).to(dtype)
