"""Scores a model on labelled images: `python -m cerberus_annotate.learn.evaluate MODEL DATA [--split NAME]`.

Predictions go the way that a slide's go (`predict_image`, polygons included) and are drawn at the label's own
resolution; labels are never resampled. Nuclei: means over images of Dice, AJI and PQ. Glands: object F1 and object
Dice pooled over images, as the GlaS challenge has them.
"""

import argparse
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from shapely import LinearRing
from skimage.draw import polygon

from cerberus_annotate.learn import metrics
from cerberus_annotate.learn.datasets import LabelledImage, read_manifest
from cerberus_annotate.network.model import Model, load_model
from cerberus_annotate.objects.predicted import PredictedObject
from cerberus_annotate.predict import predict_image


def drawn(objects: Sequence[PredictedObject], shape: tuple[int, int]) -> NDArray[np.int32]:
    """The objects as an instance map (H, W), a pixel to the object its centre lies in, the later of several."""
    labels = np.zeros(shape, np.int32)
    for index, found in enumerate(objects, start=1):
        inside = _pixels_inside(found.polygon.exterior, shape)
        kept = labels[inside]
        labels[inside] = index
        if found.polygon.interiors:
            whole = np.zeros(shape, bool)
            for ring in found.polygon.interiors:
                whole[_pixels_inside(ring, shape)] = True
            holes = whole[inside]
            labels[inside[0][holes], inside[1][holes]] = kept[holes]
    return labels


def _pixels_inside(ring: LinearRing, shape: tuple[int, int]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    xy = np.asarray(ring.coords) - 0.5
    return polygon(xy[:, 1], xy[:, 0], shape)


def score_images(model: Model, images: Iterable[LabelledImage], precision: str = "auto") -> dict[str, dict[str, Any]]:
    """The scores by task, with the number of images that were labelled for it."""
    nuclei: list[tuple[float, float, float]] = []
    hits: list[tuple[int, int, int]] = []
    sums: list[tuple[float, float, float, float]] = []
    for image in images:
        tasks = [t for t, label in (("nuclei", image.nuclei), ("gland", image.glands)) if label is not None]
        objects = predict_image(image.rgb, image.mpp, model, tasks=tasks, precision=precision)
        if image.nuclei is not None:
            found = drawn([o for o in objects if o.task == "nuclei"], image.nuclei.shape)
            pairs = metrics.overlap(image.nuclei, found)
            nuclei.append(
                (
                    metrics.dice(image.nuclei, found),
                    metrics.aggregated_jaccard(pairs),
                    metrics.panoptic_quality(pairs)[0],
                )
            )
        if image.glands is not None:
            found = drawn([o for o in objects if o.task == "gland"], image.glands.shape)
            pairs = metrics.overlap(image.glands, found)
            hits.append(metrics.gland_hits(pairs))
            sums.append(metrics.object_dice_sums(pairs))
    scores: dict[str, dict[str, Any]] = {}
    if nuclei:
        means = np.mean(nuclei, axis=0).round(4).tolist()
        scores["nuclei"] = {"images": len(nuclei), **dict(zip(("dice", "aji", "pq"), means, strict=True))}
    if hits:
        pooled = np.sum(hits, axis=0).tolist()
        scores["gland"] = {
            "images": len(hits),
            "object_f1": round(metrics.object_f1(*pooled), 4),
            "object_dice": round(metrics.object_dice(np.array(sums)), 4),
        }
    return scores


def main() -> None:
    """Command line of the evaluation; prints one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="registered name or checkpoint")
    parser.add_argument("data", type=Path, help="folder with a manifest.csv")
    parser.add_argument("--split", help="the manifest's split to score; all without it")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", default="auto", choices=["auto", "fp32", "bf16", "fp16"])
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    images = read_manifest(given.data, None if given.split is None else (given.split,))
    scores = score_images(load_model(given.model, given.device), images, given.precision)
    print(json.dumps({"model": given.model, "data": given.data.name, "split": given.split, "tasks": scores}))


if __name__ == "__main__":
    main()
