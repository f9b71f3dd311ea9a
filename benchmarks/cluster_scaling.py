"""100 small slides on one and on two workers of a local Dask cluster, with a network that waits instead of computing.

python benchmarks/cluster_scaling.py [--slides 100] [--seconds 0.25] [--nuclei 500]

Everything but the network is as in `cerberus-annotate annotate --cluster`: slides are opened on the workers, tiles go
out in groups, objects come back, are joined and committed to a project. Waiting takes no processor, so that the scaling
of the program is seen even where workers and client share two cores. Overhead is what a worker's time holds beside
waiting.
"""

import argparse
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from distributed import Client, LocalCluster

from cerberus_annotate.annotate.adding import add_slide, describe_slide
from cerberus_annotate.annotate.options import Options
from cerberus_annotate.annotate.run import run
from cerberus_annotate.network import Model, load_model
from cerberus_annotate.network.registry import DEFAULT_MODEL, find_weights
from cerberus_annotate.predict.cluster.cluster import Cluster
from cerberus_annotate.predict.cluster.weights import send_weights
from cerberus_annotate.qupath import create_project, open_project
from cerberus_annotate.slide.demo_slide import demo_picture
from cerberus_annotate.slide.pyramid import write_pyramid

TILES = 4
SIDE = 576
WORKERS = (1, 2)


def small_tiles(job: Any, *how: Any) -> Any:
    """As a worker lays out slides, but with tiles so small that a small slide has several."""
    from cerberus_annotate.predict import geometry
    from cerberus_annotate.predict.cluster.worker import lay_out_here

    geometry.LARGEST_SIDE = SIDE // 2
    return lay_out_here(job, *how)


def waiting(seconds: float, nuclei: int) -> Callable[..., list[Any]]:
    """What a worker does in place of computing: waits, then gives nuclei on a grid."""

    def wait(job: Any, work: Any, tiles: Sequence[Any]) -> list[Any]:
        import numpy as np
        import shapely

        from cerberus_annotate.objects.nuclei import Nuclei
        from cerberus_annotate.predict.tile_objects import TileObjects
        from cerberus_annotate.slide import open_recipe

        found = []
        with open_recipe(job.slide):
            for tile in tiles:
                time.sleep(seconds)
                places = np.stack(np.meshgrid(*[np.linspace(5, SIDE // 2 - 5, round(nuclei**0.5))] * 2), -1)
                centres = places.reshape(-1, 2) + np.array([tile.x, tile.y])
                count = len(centres)
                found.append(
                    TileObjects(
                        tile,
                        Nuclei(
                            shapely.buffer(shapely.points(centres), 3, quad_segs=4),
                            centres,
                            np.full(count, 28.0),
                            np.full(count, 0.9),
                            np.ones(count, np.int64),
                            np.zeros(count, bool),
                        ),
                        {},
                        None,
                    )
                )
        return found

    return wait


def make_project(folder: Path, slides: int) -> Path:
    folder.mkdir()
    project = create_project(folder / "project")
    picture = np.tile(demo_picture(), (2, 2, 1))[:SIDE, :SIDE]
    write_pyramid(folder / "0.tif", picture, 0.5)
    for number in range(slides):
        path = folder / f"{number}.tif"
        if number:
            shutil.copyfile(folder / "0.tif", path)
        add_slide(project, describe_slide(path))
    return project.path


def seconds_of_run(
    folder: Path, model: Model, workers: int, slides: int, seconds: float, nuclei: int
) -> tuple[float, float]:
    """Of the whole run by the clock, and of this process' processor for a slide."""
    options = Options(regions="whole", tasks=("nuclei",), nuclei_as="detections")
    with (
        LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=":0") as local,
        Client(local.scheduler_address, set_as_default=False) as client,
    ):
        send_weights(client, model, find_weights(DEFAULT_MODEL))
        engine = Cluster(client, model, lay_out=small_tiles, compute=waiting(seconds, nuclei))
        # workers import and load the model once, which is not what scales
        warm = make_project(folder / f"warm-{workers}", 2 * workers)
        run(open_project(warm), model, options, engine, ahead=engine)
        project = make_project(folder / f"timed-{workers}", slides)
        started, busy = time.monotonic(), time.process_time()
        summary = run(open_project(project), model, options, engine, ahead=engine)
        took, busy = time.monotonic() - started, time.process_time() - busy
    assert {record.status for record in summary.images.values()} == {"done"}
    return took, busy / slides


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--slides", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=0.25, help="that the network waits for a tile")
    parser.add_argument("--nuclei", type=int, default=500, help="that it finds in a tile")
    given = parser.parse_args()
    waits = given.slides * TILES * given.seconds
    model = load_model(DEFAULT_MODEL)
    took = {}
    with tempfile.TemporaryDirectory() as folder:
        for workers in WORKERS:
            took[workers], busy = seconds_of_run(
                Path(folder), model, workers, given.slides, given.seconds, given.nuclei
            )
            overhead = took[workers] * workers / waits - 1
            print(
                f"{workers} worker(s): {took[workers]:.1f} s for {given.slides} slides, {waits:.0f} s of waiting in "
                f"all, overhead {overhead:.1%}; {busy * 1000:.0f} ms of this process' processor a slide",
                flush=True,
            )
    print(f"two workers are {took[1] / took[2]:.2f} times as fast as one")


if __name__ == "__main__":
    main()
