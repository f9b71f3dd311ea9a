"""The whole measurement: a part of a slide stage by stage, written, and once more as a run does it."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import shapely
import torch
from shapely.geometry.base import BaseGeometry

from cerberus_annotate.annotate.adding import add_slide, describe_slide
from cerberus_annotate.annotate.one_image import Predict
from cerberus_annotate.annotate.options import Options
from cerberus_annotate.annotate.run import run
from cerberus_annotate.errors import SlideError, UsageError
from cerberus_annotate.network.model import Model
from cerberus_annotate.predict.expectation import measure_speed
from cerberus_annotate.predict.inference import choose_precision
from cerberus_annotate.predict.lanes import core_count
from cerberus_annotate.predict.slide_work import SlideWork, lay_out
from cerberus_annotate.qupath import PathObject, create_project, write_geojson
from cerberus_annotate.slide import Region, open_slide, tissue_polygons
from cerberus_annotate.speed.agreement import agreement
from cerberus_annotate.speed.floor import floor_of, matmul_ceiling, processor_name, slide_bytes
from cerberus_annotate.speed.part import densest_square, tissue_share
from cerberus_annotate.speed.result import Machine, Part, Speed
from cerberus_annotate.speed.stages import Seconds, predict_by_stages, timed

NETWORK_SECONDS = 5.0
"""What the network may take for the part that is measured; all of it takes about ten times as long."""
USUAL_OVERLAP = 1.5
SMALLEST_MM2, LARGEST_MM2 = 0.4, 16.0
STEPS = 8

Tell = Callable[[int, int, str], None]
"""Called with steps done, steps in all, and what comes next."""


@dataclass(frozen=True)
class Measured:
    """What is measured.  mpp: (x, y) µm per level-0 px.  precision: as a run is told.  inside: of a slide, level 0."""

    file: Path
    model: Model
    mpp: tuple[float, float]
    tasks: tuple[str, ...]
    precision: str
    inside: BaseGeometry


def measure(
    file: Path,
    model: Model,
    predict: Predict,
    *,
    mpp: tuple[float, float] | None = None,
    tasks: Sequence[str] | None = None,
    precision: str = "auto",
    tell: Tell = lambda done, total, name: None,
) -> Speed:
    """Measures a slide with a model; `predict` is what a run with the same model and precision calls.

    mpp: where the file has none.  Raises SlideError where the slide cannot be read, UsageError for one without a pixel
    size and for a task that the model lacks.
    """
    steps = iter(range(STEPS))

    def step(name: str) -> None:
        tell(next(steps), STEPS, name)

    dtype = choose_precision(model.device, precision)
    with open_slide(file) as slide:
        mpp = slide.mpp or mpp
        if mpp is None:
            raise UsageError(f"{file} does not say how large its pixels are; give it with --mpp, in µm.")
        step("the machine's ceiling")
        ceiling = matmul_ceiling(model.device, dtype)
        step("tissue")
        tissue = tissue_polygons(slide, mpp)
        mm2 = measure_speed(model, precision).pixels * model.mpp**2 / 1e6 / USUAL_OVERLAP * NETWORK_SECONDS
        mm2 = min(max(mm2, SMALLEST_MM2), LARGEST_MM2)
        square = _box(densest_square((slide.width, slide.height), mpp, tissue, mm2))
        inside = _inside(lay_out(slide, mpp, model, tasks, dtype, square))
        work = lay_out(slide, mpp, model, tasks, dtype, inside)
    part = _part(work, tissue)
    chosen = Measured(file, model, mpp, work.extraction.tasks, precision, inside)
    with open_slide(file) as slide:  # anew, so that its reader remembers no pixels
        store, stages, sent = predict_by_stages(slide, work, model, step)
        step("writing")
        stages["write"], written = _run(chosen, lambda *_, **__: store)
        step("the same as a run does it")
        stages["end_to_end"], _ = _run(chosen, predict)
        step("agreement with fp32")
        agreed = {} if dtype == torch.float32 else agreement(slide, work, model)
        floor = floor_of(slide, mpp, model.network.config, work.outputs, slide_bytes(slide.path))
    return Speed(
        slide=file.name,
        size=(slide.width, slide.height),
        mpp=mpp,
        part=part,
        machine=Machine(processor_name(), core_count(), _device_name(model.device), ceiling),
        model=model.name,
        precision={torch.float32: "fp32", torch.bfloat16: "bf16", torch.float16: "fp16"}[dtype],
        tasks=work.extraction.tasks,
        floor=floor,
        stages={name: Seconds(took.wall / part.mm2, took.cpu / part.mm2) for name, took in stages.items()},
        sent=sent / part.mm2,
        written=written / part.mm2,
        objects={task: store.counts.get(task, 0) / part.mm2 for task in work.extraction.tasks},
        agreement=agreed,
    )


def _run(measured: Measured, predict: Predict) -> tuple[Seconds, int]:
    """A run on a part of the slide, in a project that is thrown away, and by how many bytes that grew."""
    with tempfile.TemporaryDirectory(prefix="cerberus-annotate-") as folder:
        project = create_project(Path(folder) / "project")
        add_slide(project, describe_slide(measured.file, measured.mpp))
        area = Path(folder) / "part.geojson"
        write_geojson([PathObject(roi=measured.inside, roi_kind="Polygon")], area)
        before = _folder_bytes(project.folder)
        options = Options(measured.tasks, regions=str(area), mpp=measured.mpp, precision=measured.precision)
        summary, took = timed(lambda: run(project, measured.model, options, predict))
        grown = _folder_bytes(project.folder) - before
    for record in summary.images.values():
        if record.status != "done":
            raise SlideError(record.reason)
    return took, grown


def _folder_bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def _inside(work: SlideWork) -> BaseGeometry:
    """The whole of the work's tiles in level-0 px, a px of the grid less on every side, so that it touches no other."""
    tiles, scale = work.tiles, work.scale
    left, top = min(tile.x for tile in tiles) + 1, min(tile.y for tile in tiles) + 1
    right, bottom = max(t.x + t.width for t in tiles) - 1, max(t.y + t.height for t in tiles) - 1
    return shapely.box(left * scale[0], top * scale[1], right * scale[0], bottom * scale[1])


def _part(work: SlideWork, tissue: BaseGeometry) -> Part:
    left, top, right, bottom = (round(bound) for bound in _inside(work).bounds)
    region = Region(left, top, right - left, bottom - top)
    kept = sum(tile.width * tile.height for tile in work.tiles)
    reach = 2 * work.geometry.reach
    computed = sum((tile.width + reach) * (tile.height + reach) for tile in work.tiles)
    mm2 = kept * work.scale[0] * work.scale[1] * work.mpp[0] * work.mpp[1] / 1e6
    return Part(region, tissue_share(region, tissue), mm2, len(work.tiles), work.geometry.side, computed / kept)


def _box(region: Region) -> BaseGeometry:
    return shapely.box(region.x, region.y, region.x + region.width, region.y + region.height)


def _device_name(device: str) -> str:
    return torch.cuda.get_device_name(device) if device.startswith("cuda") else device
