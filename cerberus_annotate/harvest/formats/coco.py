"""COCO (cocodataset.org/#format-data): one `coco.json` with a run-length encoded mask for each object."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cerberus_annotate.files import write_whole
from cerberus_annotate.harvest.folder import Harvest, PatchRecord
from cerberus_annotate.harvest.formats.patch_files import read_map
from cerberus_annotate.harvest.writing import COLUMN_OF, TYPE_COLUMN_OF

PLAIN = {"nuclei": "nucleus", "gland": "gland", "lumen": "lumen"}


def write_coco(folder: Path, harvest: Harvest) -> Path:
    """Writes `coco.json`; `file_name` is relative to the folder.

    Ids of categories: one for each task's untyped objects and one for each of its types. What does not count in a
    patch is a crowd (`iscrowd` 1) of every category of the task, as COCO's evaluation leaves it out then.
    """
    categories = _categories(harvest.labels)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for record in harvest.images.values():
        for patch in record.patches:
            number = len(images) + 1
            described, found = _patch(folder, patch, categories)
            images.append({"id": number, **described, "split": harvest.splits[record.group], "slide": record.slide})
            for one in found:
                annotations.append({"id": len(annotations) + 1, "image_id": number, **one})
    content = {
        "info": {"description": f"Harvest of {harvest.project_name}", "date_created": harvest.updated},
        "images": images,
        "annotations": annotations,
        "categories": [
            {"id": number, "name": name, "supercategory": task} for (task, _), (number, name) in categories.items()
        ],
    }
    path = folder / "coco.json"
    write_whole(path, json.dumps(content, ensure_ascii=False).encode(), "The COCO file")
    return path


def run_lengths(pixels: NDArray[np.intp], size: int) -> NDArray[np.intp]:
    """Lengths of runs out of and inside a mask in turn, the first outside (0 where the first pixel is inside).

    pixels: ascending indices of the mask's pixels, column by column, as COCO counts; size: H x W.
    """
    first = np.flatnonzero(np.diff(pixels, prepend=-2) > 1)
    last = np.append(first[1:], len(pixels))[: len(first)] - 1
    edges = np.column_stack([pixels[first], pixels[last] + 1]).ravel()
    counts = np.diff(edges, prepend=0, append=size)
    return counts[:-1] if len(edges) and edges[-1] == size else counts


def compressed(counts: NDArray[np.intp]) -> str:
    """Run lengths as COCO's text: each less the one two before, in groups of five bits (`rleToString` of its API)."""
    letters = []
    values = counts.tolist()
    for at, value in enumerate(values):
        rest = value - values[at - 2] if at > 2 else value
        more = True
        while more:
            bits = rest & 0x1F
            rest >>= 5
            more = rest != (-1 if bits & 0x10 else 0)
            letters.append(chr((bits | 0x20 if more else bits) + 48))
    return "".join(letters)


def _categories(labels: Mapping[str, list[str]]) -> dict[tuple[str, int], tuple[int, str]]:
    """(task, index of the type) → (id, name)."""
    found: dict[tuple[str, int], tuple[int, str]] = {}
    for task, plain in PLAIN.items():
        for index, name in enumerate(labels.get(task, [""])):
            found[task, index] = (len(found) + 1, plain if index == 0 else f"{plain}: {name}")
    return found


def _patch(
    folder: Path, patch: PatchRecord, categories: Mapping[tuple[str, int], tuple[int, str]]
) -> tuple[dict[str, Any], Iterator[dict[str, Any]]]:
    first = next(iter(patch.rows.values()))
    shape = read_map(folder, first["image"]).shape
    described = {"file_name": first["image"], "width": shape[1], "height": shape[0], "mpp": patch.mpp}
    return described, _annotations(folder, patch, categories, shape[:2])


def _annotations(
    folder: Path,
    patch: PatchRecord,
    categories: Mapping[tuple[str, int], tuple[int, str]],
    shape: tuple[int, ...],
) -> Iterator[dict[str, Any]]:
    for tasks, paths in patch.rows.items():
        ignored = read_map(folder, paths["ignore"]) > 0 if "ignore" in paths else np.zeros(shape, bool)
        for task in tasks.split(","):
            instances = np.where(ignored, 0, read_map(folder, paths[COLUMN_OF[task]]))
            types = read_map(folder, paths[TYPE_COLUMN_OF[task]]) if task in TYPE_COLUMN_OF else np.zeros(shape, int)
            for pixels in _pixels_of_each(instances):
                column, row = divmod(int(pixels[0]), shape[0])
                yield {"category_id": categories[task, int(types[row, column])][0], **_mask(pixels, shape)}
            if ignored.any():
                crowd = _mask(np.flatnonzero(ignored.T), shape)
                for (of_task, _), (number, _) in categories.items():
                    if of_task == task:
                        yield {"category_id": number, **crowd, "iscrowd": 1}


def _pixels_of_each(instances: NDArray[np.integer]) -> Iterator[NDArray[np.intp]]:
    """Ascending column-wise indices of the pixels of each instance."""
    columnwise = instances.T.ravel()
    pixels = np.flatnonzero(columnwise)
    order = np.argsort(columnwise[pixels], kind="stable")
    pixels = pixels[order]
    borders = np.flatnonzero(np.diff(columnwise[pixels])) + 1
    if len(pixels):
        yield from np.split(pixels, borders)


def _mask(pixels: NDArray[np.intp], shape: tuple[int, ...]) -> dict[str, Any]:
    columns, rows = np.divmod(pixels, shape[0])
    left, top = int(columns.min()), int(rows.min())
    counts = run_lengths(pixels, shape[0] * shape[1])
    return {
        "segmentation": {"size": [shape[0], shape[1]], "counts": compressed(counts)},
        "area": len(pixels),
        "bbox": [left, top, int(columns.max()) - left + 1, int(rows.max()) - top + 1],
        "iscrowd": 0,
    }
