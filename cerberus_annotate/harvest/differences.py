"""The difference of every object of an image as JSON."""

import json
import math
from collections.abc import Mapping

import shapely
from shapely.geometry.base import BaseGeometry

from cerberus_annotate.feedback.difference import Change, outline_of
from cerberus_annotate.feedback.runs import Run
from cerberus_annotate.harvest.reading import ImageReview


def differences_json(image_id: str, name: str, review: ImageReview, runs: Mapping[str, Run]) -> bytes:
    """`{"image", "id", "objects": […]}`, an object a line.

    Each has verdict, task, class_before, class_after, iou (null where there is none), models and runs of its
    predictions, predicted and objects (UUIDs), outline (GeoJSON geometry in level-0 px, as it stands or, of a deleted
    one, as it was) and outline_before where that is another.
    """
    lines = [_line(change, review, runs) for change in review.changes]
    head = json.dumps({"image": name, "id": image_id}, ensure_ascii=False)[:-1]
    return f'{head}, "objects": [\n{",".join(lines)}]}}\n'.encode()


def _line(change: Change, review: ImageReview, runs: Mapping[str, Run]) -> str:
    of_runs = sorted({review.run_of(entry) for entry in change.predicted})
    values = {
        "verdict": change.verdict,
        "task": change.task,
        "class_before": change.class_before,
        "class_after": change.class_after,
        "iou": None if math.isnan(change.iou) else round(change.iou, 4),
        "confidence": [round(entry.confidence, 4) for entry in change.predicted],
        "models": sorted({runs[run].model for run in of_runs if run in runs}),
        "runs": of_runs,
        "predicted": [str(entry.uuid) for entry in change.predicted],
        "objects": [str(obj.uuid) for obj in change.objects],
    }
    before = [entry.polygon for entry in change.predicted]
    after = [outline for obj in change.objects if (outline := outline_of(obj)) is not None]
    text = json.dumps(values, ensure_ascii=False)[:-1]
    text += f', "outline": {_geometry(after or before)}'
    if after and before and change.verdict != "accepted":
        text += f', "outline_before": {_geometry(before)}'
    return text + "}\n"


def _geometry(outlines: list[BaseGeometry]) -> str:
    shape = outlines[0] if len(outlines) == 1 else shapely.geometrycollections(outlines)
    # WKB keeps 15 digits of numbers that have two decimals
    return shapely.to_geojson(shapely.transform(shape, lambda xy: xy.round(2)))
