"""What a model is worth on images that nobody corrects: how good its nuclei are, and how many edits they would need."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from shapely.geometry import box

from benchmarks.simulated.data_sets import KnownSet, known_images, mpp_of, regions_of
from benchmarks.simulated.oracle import KINDS, UNTYPED, Nucleus, counted, edits_in, nuclei_of
from cerberus_annotate.learn.data.labelled_image import LabelledImage
from cerberus_annotate.learn.evaluation.drawing import drawn
from cerberus_annotate.learn.evaluation.prediction import TYPE_OUTPUT, Prediction, type_indices
from cerberus_annotate.learn.evaluation.scoring import score, score_predictions
from cerberus_annotate.network.model import Model
from cerberus_annotate.predict import predict_image

MEASURES = ("pq", "aji", "dice", "type_macro_f1")


@dataclass(frozen=True)
class HeldOut:
    """measures: of nuclei, means over images. pq: of each image, by name. edits: of all regions, by kind. regions,
    nuclei: how many.
    """

    measures: dict[str, float]
    pq: dict[str, float]
    edits: dict[str, int]
    regions: int
    nuclei: int
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return asdict(self)


def measure(model: Model, images: Sequence[LabelledImage]) -> HeldOut:
    """The measures of a model on images with nuclei; each image is predicted once."""
    started = time.process_time()
    edits: Counter[str] = Counter(dict.fromkeys(KINDS, 0))
    regions = nuclei = 0
    classes = model.classes.get(TYPE_OUTPUT, ())

    def predict(image: LabelledImage) -> Prediction:
        nonlocal regions, nuclei
        found = predict_image(image.rgb, mpp_of(image), model, tasks=["nuclei"])
        true = nuclei_of(image)
        typed = image.nucleus_types is not None
        predicted = [Nucleus(one.polygon, one.path_class if typed else UNTYPED) for one in found]
        for region in regions_of(image):
            area = box(*region.bounds)
            edits.update(counted(edits_in(area, predicted, true)))
            nuclei += len(edits_in(area, (), true))
            regions += 1
        return Prediction(
            nuclei=drawn(found, image.rgb.shape[:2]),
            nucleus_types=type_indices(found, classes) if classes else None,
            nucleus_classes=classes,
        )

    scores = score_predictions(predict, images, name=model.name).tasks["nuclei"]
    return HeldOut(
        measures={name: scores.measures[name].value for name in MEASURES if name in scores.measures},
        pq={one.name: round(one.values["pq"], 4) for one in scores.images},
        edits=dict(edits),
        regions=regions,
        nuclei=nuclei,
        seconds=round(time.process_time() - started, 1),
    )


def measure_known(model: Model, data: Path, known: Sequence[KnownSet]) -> dict[str, dict[str, float]]:
    """Title of a set → measure → value, on its test images."""
    found = {}
    for one in known:
        scores = score(model, known_images(data, one)).tasks[one.task]
        found[one.title] = {name: scores.measures[name].value for name in one.measures if name in scores.measures}
    return found
