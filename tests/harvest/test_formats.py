"""A harvest in other formats says the same as its own label maps."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import box

from cerberus_annotate.harvest.folder import Harvest
from cerberus_annotate.harvest.formats import write_format
from cerberus_annotate.harvest.formats.coco import compressed, run_lengths
from cerberus_annotate.harvest.options import HarvestOptions
from cerberus_annotate.harvest.run import harvest
from cerberus_annotate.learn.data.layouts import read_data_set
from cerberus_annotate.qupath import PathClass, Project, read_geojson

Make = Callable[..., Project]


@pytest.fixture
def harvested(prelabelled: Make, tools: Any, tmp_path: Path) -> tuple[Path, Harvest]:
    """A region of 9 nuclei of which one is a lymphocyte and one is split, touching a gland."""
    project = prelabelled()
    tools.mark_reviewed(project, 100, 100, 300, 300, metadata={"cerberus.reviewed": "nuclei,gland"})

    def correct(edit: Any, objects: list) -> None:
        nuclei = [obj for obj in objects if str(obj.path_class).startswith("Nucleus")]
        at = {(round(obj.roi.centroid.x), round(obj.roi.centroid.y)): obj for obj in nuclei}
        edit.replace(replace(at[150, 150], path_class=PathClass.of("Nucleus: Lymphocyte")))
        edit.remove(at[250, 250].uuid)
        halves = [
            tools.nucleus(250, 250).intersection(box(*side)) for side in ((200, 200, 249, 300), (251, 200, 300, 300))
        ]
        edit.add([tools.drawn(half, "Nucleus: Epithelial") for half in halves])

    tools.edit(project, change=correct)
    done = harvest(project, tmp_path / "h", HarvestOptions())
    assert (done.failed, done.notes) == ({}, ())
    return tmp_path / "h", done.harvest


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # pycocotools under NumPy 2
def test_coco_is_read_by_its_own_library(harvested: tuple[Path, Harvest]) -> None:
    coco_library = pytest.importorskip("pycocotools.coco")
    folder, state = harvested
    path = write_format("coco", folder, state)
    coco = coco_library.COCO(str(path))
    (image,) = coco.loadImgs(coco.getImgIds())
    assert (folder / image["file_name"]).is_file()
    (nuclei,) = [one for one in read_data_set(folder).images() if one.nuclei is not None]
    assert nuclei.nuclei is not None
    assert nuclei.ignore is not None
    assert (image["height"], image["width"]) == nuclei.nuclei.shape
    names = {one["id"]: one["name"] for one in coco.loadCats(coco.getCatIds())}
    annotations = coco.loadAnns(coco.getAnnIds())
    objects = [one for one in annotations if not one["iscrowd"]]
    told = sorted(names[one["category_id"]] for one in objects)
    assert told == ["nucleus: epithelial"] * 9 + ["nucleus: lymphocyte"]
    union = np.zeros(nuclei.nuclei.shape, int)
    for one in objects:
        mask = coco.annToMask(one)
        assert mask.sum() == one["area"]
        left, top, width, height = one["bbox"]
        assert mask[top : top + height, left : left + width].sum() == one["area"]
        union += mask
    assert np.array_equal(union, ((nuclei.nuclei > 0) & ~nuclei.ignore).astype(int))
    crowds = [one for one in annotations if one["iscrowd"] and names[one["category_id"]] == "nucleus"]
    assert np.array_equal(coco.annToMask(crowds[0]) > 0, nuclei.ignore)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.booleans(), min_size=7, max_size=7), min_size=1, max_size=9))
def test_run_lengths_are_those_of_the_library(rows: list[list[bool]]) -> None:
    mask_library = pytest.importorskip("pycocotools.mask")
    mask = np.array(rows)
    counts = run_lengths(np.flatnonzero(mask.T), mask.size)
    encoded = mask_library.encode(np.asfortranarray(mask.astype(np.uint8)))
    assert compressed(counts) == encoded["counts"].decode()


def test_conic_windows_hold_every_nucleus_that_counts(harvested: tuple[Path, Harvest]) -> None:
    folder, state = harvested
    target = write_format("conic", folder, state)
    images, labels, ignore = (np.load(target / f"{name}.npy") for name in ("images", "labels", "ignore"))
    assert images.shape == (*ignore.shape, 3)
    assert images.shape[1:] == (256, 256, 3)
    assert labels.dtype == np.uint16
    counted = np.where(ignore, 0, labels[..., 0])
    assert sum(len(np.unique(one[one > 0])) for one in counted) == pytest.approx(10, abs=4)  # some cross two windows
    assert set(np.unique(labels[..., 1][counted > 0])) == {2, 3}
    dark = images[..., 1] < 130
    assert (dark == (labels[..., 0] > 0))[~ignore].mean() > 0.98
    assert len((target / "patch_info.csv").read_text().splitlines()) == len(images) + 1


def test_geojson_is_read_as_qupath_writes_it(harvested: tuple[Path, Harvest]) -> None:
    folder, state = harvested
    target = write_format("geojson", folder, state)
    (path,) = target.glob("*.geojson")
    objects = read_geojson(path)
    classes = sorted(str(one.path_class) for one in objects)
    assert classes == ["Nucleus: Epithelial"] * 9 + ["Nucleus: Lymphocyte", "Reviewed"]
    verdicts = sorted(one.metadata.get("cerberus.verdict", "") for one in objects)
    assert verdicts == ["", *["accepted"] * 7, "reclassified", "split", "split"]
    told = json.loads((folder / next(iter(state.images.values())).differences).read_text())
    assert {one for change in told["objects"] for one in change["objects"]} <= {str(one.uuid) for one in objects}


def test_formats_do_not_disturb_the_next_harvest(harvested: tuple[Path, Harvest]) -> None:
    folder, state = harvested
    for name in ("png", "coco", "geojson", "conic"):
        write_format(name, folder, state)
    assert len(read_data_set(folder).entries) == 1
