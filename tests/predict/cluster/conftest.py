"""A cluster of two worker processes on this machine, a project of small slides, and workers that need no network."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from distributed import Client, LocalCluster

from cerberus_annotate.annotate.adding import add_slide, describe_slide
from cerberus_annotate.network import Model, load_model
from cerberus_annotate.network.registry import find_weights
from cerberus_annotate.predict.cluster.cluster import Cluster
from cerberus_annotate.predict.cluster.weights import send_weights
from cerberus_annotate.qupath import Project, create_project, open_project
from cerberus_annotate.slide.demo_slide import demo_picture
from cerberus_annotate.slide.pyramid import write_pyramid

WIDTH, HEIGHT, MPP, SIDE = 280, 280, 0.5, 144
TILES = 4


@pytest.fixture(scope="package")
def model() -> Model:
    return load_model("cerberus-small")


@pytest.fixture(scope="package")
def workers(model: Model) -> Iterator[Client]:
    """A client of two workers with a thread each."""
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0", silence_logs=False) as cluster,
        Client(cluster.scheduler_address, set_as_default=False) as client,
    ):
        send_weights(client, model, find_weights(model.name))
        yield client


@pytest.fixture
def client(workers: Client) -> Client:
    """Both workers are there, whatever the last test did to them."""
    workers.wait_for_workers(2, timeout=60)
    return workers


@pytest.fixture
def make_project(tmp_path: Path) -> Callable[[int], Project]:
    """Makes a project of so many slides of tissue, four tiles each."""

    def make(slides: int) -> Project:
        project = create_project(tmp_path / "project")
        for number in range(slides):
            path = tmp_path / f"{number}.tif"
            write_pyramid(path, demo_picture()[number * 40 : number * 40 + HEIGHT, :WIDTH], MPP)
            add_slide(project, describe_slide(path))
        return open_project(project.path)

    return make


def lay_out_small(job: Any, *how: Any) -> Any:
    """As a worker lays out slides, but with small tiles."""
    from cerberus_annotate.predict import geometry
    from cerberus_annotate.predict.cluster.worker import lay_out_here

    geometry.LARGEST_SIDE = 144
    return lay_out_here(job, *how)


def one_nucleus_each(job: Any, work: Any, tiles: Sequence[Any]) -> list[Any]:
    """Finds a nucleus in the middle of every tile, after a moment."""
    import time

    import numpy as np
    from shapely import box

    from cerberus_annotate.objects.nuclei import Nuclei
    from cerberus_annotate.predict.tile_objects import TileObjects
    from cerberus_annotate.slide import open_recipe

    found = []
    with open_recipe(job.slide):
        for tile in tiles:
            time.sleep(0.2)
            x, y = tile.x + tile.width // 2, tile.y + tile.height // 2
            nuclei = Nuclei(
                np.array([box(x - 5, y - 5, x + 5, y + 5)], object),
                np.array([[x, y]], float),
                np.array([100.0]),
                np.array([0.5]),
                np.array([1]),
                np.array([False]),
            )
            found.append(TileObjects(tile, nuclei, {}, None))
    return found


def by_value(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function that workers get whole, since they cannot import the tests."""
    function.__module__ = "__main__"
    return function


@pytest.fixture
def cluster(client: Client, model: Model) -> Cluster:
    """Computes in earnest, on small tiles."""
    return Cluster(client, model, precision="fp32", lay_out=by_value(lay_out_small))


@pytest.fixture
def quick(client: Client, model: Model) -> Cluster:
    """Computes nothing."""
    return Cluster(client, model, lay_out=by_value(lay_out_small), compute=by_value(one_nucleus_each))


def objects_of(project: Project) -> list[Counter[Any]]:
    """What stands in each image, without the identities that are drawn anew each time."""
    return [
        Counter((str(obj.path_class), obj.roi.normalize().wkb) for obj in image.read_objects())
        for image in open_project(project.path).images
    ]
