"""Time and peak memory of writing what was predicted in a slide: decisions, ledger, data file, GeoJSON if asked for.

    python -m benchmarks.write_stage [--counts 100000 1000000] [--geojson]

The predictions are drawn by a fixed seed while they are asked for, so no memory is theirs: a gland with a lumen for
every 1,000 nuclei, and the nuclei, 20,000 at a time. Every count is a first run over a project of its own in a process
of its own; the first, without any object, shows what Python, the libraries and the project take.
"""

import argparse
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import shapely

from cerberus_annotate.annotate import one_image
from cerberus_annotate.annotate.options import Options
from cerberus_annotate.annotate.run import run
from cerberus_annotate.objects.predicted import PredictedObject
from cerberus_annotate.qupath import ServerBuilder, create_project

WIDTH, HEIGHT = 100_000, 80_000  # px
MPP = 0.25
VERTICES = 18
PIECE = 20_000
CLASSES = ("Epithelial", "Lymphocyte", "Plasma", "Connective")


@dataclass(frozen=True)
class Model:
    """What a run notes of a model."""

    name: str = "synthetic"
    sha256: str = "0" * 64
    tasks: tuple[str, ...] = ("nuclei", "gland", "lumen")


@dataclass(frozen=True)
class Drawn:
    """An `ObjectSource` whose objects are drawn whenever it is walked."""

    nuclei: int
    left_out: tuple[()] = ()

    @property
    def counts(self) -> Mapping[str, int]:
        return {"nuclei": self.nuclei, "gland": self.nuclei // 1000, "lumen": self.nuclei // 1000}

    def chunks(self) -> Iterator[list[PredictedObject]]:
        random = np.random.default_rng(0)
        centres = _places(random, self.counts["gland"])
        glands = [PredictedObject("gland", "Gland", outline, 0.9) for outline in _outlines(centres, 150)]
        lumina = zip(glands, _outlines(centres, 40), strict=True)
        yield [*glands, *(PredictedObject("lumen", "Lumen", inner, 0.8, parent=own.uuid) for own, inner in lumina)]
        for start in range(0, self.nuclei, PIECE):
            count = min(PIECE, self.nuclei - start)
            outlines = _outlines(_places(random, count), random.uniform(8, 16, (count, 1, 1)))
            sure = random.uniform(0.5, 1, count).tolist()
            yield [
                PredictedObject("nuclei", f"Nucleus: {CLASSES[at % len(CLASSES)]}", outline, confidence)
                for at, (outline, confidence) in enumerate(zip(outlines, sure, strict=True))
            ]


def _places(random: np.random.Generator, count: int) -> np.ndarray:
    return random.uniform(200, (WIDTH - 200, HEIGHT - 200), (count, 2))


def _outlines(centres: np.ndarray, radius: float | np.ndarray) -> list[shapely.Polygon]:
    """Round ones, on 0.01 px."""
    angles = np.linspace(0, 2 * np.pi, VERTICES, endpoint=False)
    circle = np.column_stack([np.cos(angles), np.sin(angles)])
    rings = np.round(centres[:, None] + circle * radius, 2)
    return shapely.polygons(rings).tolist()


def write(folder: Path, count: int, geojson: bool) -> dict[str, float]:
    """Runs over one image; seconds, MB before the run and at its peak, MB of the files."""
    project = create_project(folder / "project")
    metadata: dict[str, Any] = {"name": "slide", "width": WIDTH, "height": HEIGHT, "sizeZ": 1, "sizeT": 1}
    for side in ("pixelWidth", "pixelHeight"):
        metadata.setdefault("pixelCalibration", {})[side] = {"value": MPP, "unit": "µm"}
    builder = {"builderType": "uri", "uri": "file:/slide.svs", "args": [], "metadata": metadata}
    image = project.add_image(ServerBuilder.from_json(builder), "slide")
    # a slide without pixels
    slide = SimpleNamespace(path=Path("slide.svs"), width=WIDTH, height=HEIGHT)
    one_image.open_image = lambda *_: nullcontext(slide)  # type: ignore[assignment,attr-defined,return-value]
    options = Options(regions="whole", geojson_dir=folder / "geojson" if geojson else None)
    before, started, processor = _peak(), time.perf_counter(), time.process_time()
    summary = run(project, Model(), options, lambda *_, **__: Drawn(count))
    (record,) = summary.images.values()
    assert record.status == "done", record.reason
    assert record.added == sum(Drawn(count).counts.values())
    return {
        "seconds": time.perf_counter() - started,
        "processor": time.process_time() - processor,
        "before": before,
        "peak": _peak(),
        "data": image.data_path.stat().st_size / 1e6 if count else 0.0,
        "ledger": (project.folder / "cerberus" / "images" / f"{image.id}.npz").stat().st_size / 1e6,
    }


def _peak() -> float:
    """Peak memory of this process so far, in MB; Linux counts in KiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def main() -> None:
    """Prints a line for each count, and what a nucleus more takes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--counts", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--geojson", action="store_true", help="write a GeoJSON file too")
    arguments = parser.parse_args()
    peaks = {}
    for count in [0, *arguments.counts]:
        with tempfile.TemporaryDirectory() as name, multiprocessing.get_context("spawn").Pool(1) as pool:
            found = pool.apply(write, (Path(name), count, arguments.geojson))
        peaks[count] = found["peak"]
        print(
            f"{count:>10,} nuclei {found['seconds']:7.1f} s wall {found['processor']:7.1f} s processor, "
            f"memory {found['before']:5.0f} MB before, {found['peak']:5.0f} MB at the peak, "
            f"data file {found['data']:6.1f} MB, ledger {found['ledger']:5.1f} MB",
            flush=True,
        )
    least, most = min(arguments.counts), max(arguments.counts)
    if most > least:
        print(f"{(peaks[most] - peaks[least]) * 1e6 / (most - least):.0f} bytes for each nucleus more")


if __name__ == "__main__":
    main()
