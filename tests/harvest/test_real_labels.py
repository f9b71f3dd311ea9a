"""Published labels drawn in a project by hand come out of a harvest as they were."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from shapely.geometry import Point, box

from cerberus_annotate.annotate.adding import add_slide, describe_slide
from cerberus_annotate.harvest.options import HarvestOptions
from cerberus_annotate.harvest.run import harvest
from cerberus_annotate.harvest.summary import summarise
from cerberus_annotate.learn.data.label_names import NUCLEUS_LABELS
from cerberus_annotate.learn.data.layouts import read_data_set
from cerberus_annotate.objects.polygons import trace_polygons
from cerberus_annotate.qupath import PathClass, PathObject, create_project
from cerberus_annotate.slide import Region, open_slide

CLASSES = {
    "epithelial": "Nucleus: Epithelial",
    "inflammatory": "Nucleus: Inflammatory",
    "connective": "Nucleus: Connective",
    "other": "Nucleus: Other",
}


def test_a_tile_of_consep(shared: Path, tmp_path: Path) -> None:
    truth = read_data_set(shared / "data" / "consep").entries[0].read()
    assert truth.nuclei is not None
    assert truth.nucleus_types is not None
    Image.fromarray(truth.rgb).save(tmp_path / "tile.png")
    project = create_project(tmp_path / "P")
    add_slide(project, describe_slide(tmp_path / "tile.png"))
    numbers, outlines = trace_polygons(truth.nuclei)
    objects = []
    for number, outline in zip(numbers.tolist(), outlines.tolist(), strict=True):
        values = truth.nucleus_types[truth.nuclei == number]
        text = CLASSES[NUCLEUS_LABELS[np.bincount(values).argmax()]]
        objects.append(PathObject(roi=outline, roi_kind="Polygon", path_class=PathClass.of(text, (1, 2, 3))))
    height, width = truth.nuclei.shape
    mark = PathObject(
        roi=box(0, 0, width, height), roi_kind="Rectangle", path_class=PathClass.of("Reviewed", (9, 9, 9))
    )
    with project.edit(project.images[0]) as edit:
        edit.add([*objects, mark])

    outcome = harvest(project, tmp_path / "h", HarvestOptions(mpp=(0.25, 0.25)))
    assert (outcome.failed, outcome.notes) == ({}, ())
    assert summarise(outcome.harvest).objects["added"] == len(objects)
    (image,) = read_data_set(tmp_path / "h").images()
    assert image.ignore is None
    assert np.array_equal(image.rgb, truth.rgb)
    assert image.nuclei is not None
    assert image.nucleus_types is not None
    # pieces that are apart from the largest one of their nucleus are not traced
    assert ((image.nuclei > 0) == (truth.nuclei > 0)).mean() > 0.999
    pairs = Counter(zip(image.nuclei[truth.nuclei > 0].tolist(), truth.nuclei[truth.nuclei > 0].tolist(), strict=True))
    assert len({found for found, _ in pairs}) >= len(objects)
    assert (
        sum(max(n for (_, true), n in pairs.items() if true == one) for one in numbers.tolist())
        > 0.999 * (image.nuclei > 0).sum()
    )
    inside = (image.nuclei > 0) & (truth.nuclei > 0)
    assert (image.nucleus_types[inside] == truth.nucleus_types[inside]).mean() > 0.999


def test_a_region_of_a_slide(shared: Path, tmp_path: Path) -> None:
    path = shared / "data" / "slides" / "CMU-1-Small-Region.svs"
    project = create_project(tmp_path / "P")
    add_slide(project, describe_slide(path))
    outline = Point(900.3, 1200.6).buffer(9, quad_segs=5)
    marked = Point(900, 1200).buffer(60)
    nucleus = PathObject(roi=outline, roi_kind="Polygon", path_class=PathClass.of("Nucleus", (1, 2, 3)))
    mark = PathObject(roi=marked, roi_kind="Polygon", path_class=PathClass.of("Reviewed", (9, 9, 9)))
    with project.edit(project.images[0]) as edit:
        edit.add([nucleus, mark])
    outcome = harvest(project, tmp_path / "h", HarvestOptions())
    assert (outcome.failed, outcome.notes) == ({}, ())
    (record,) = outcome.harvest.images.values()
    (patch,) = record.patches
    (image,) = read_data_set(tmp_path / "h").images()
    with open_slide(path) as slide:
        pixels = slide.read(Region(int(patch.x), int(patch.y), int(patch.width), int(patch.height)))
    assert image.mpp == pytest.approx(0.499, abs=0.001)
    assert np.array_equal(image.rgb, pixels)
    assert image.nuclei is not None
    assert image.ignore is not None
    rows, columns = np.nonzero(image.nuclei)
    assert (columns.mean() + 0.5 + patch.x, rows.mean() + 0.5 + patch.y) == pytest.approx((900.3, 1200.6), abs=0.2)
    assert len(rows) == pytest.approx(outline.area, rel=0.03)
    assert (~image.ignore).sum() == pytest.approx(marked.area, rel=0.01)
