"""What a model loses when the same tissue looks otherwise: other stain, out of focus, compressed, other pixel size.

    python -m benchmarks.robustness --data ../shared/data [--model cerberus-small] [--images 60]

Scores the test images of GlaS (test A), CoNSeP and MoNuSeg as they are and under each change. Labels are never changed:
what is found in an image of another size is brought back to the label's pixels. Finished changes are kept in OUT, so
that an interrupted run goes on.
"""

import argparse
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import shapely
import torch
from numpy.typing import NDArray

from benchmarks.result_pages import hardware, write_page
from cerberus_annotate.errors import CerberusError
from cerberus_annotate.learn.data.labelled_image import LabelledImage
from cerberus_annotate.learn.data.layouts import read_data_set
from cerberus_annotate.learn.evaluation.drawing import drawn
from cerberus_annotate.learn.evaluation.metrics import Estimate
from cerberus_annotate.learn.evaluation.prediction import TYPE_OUTPUT, Prediction, scorable_tasks, type_indices
from cerberus_annotate.learn.evaluation.scoring import score_predictions
from cerberus_annotate.learn.evaluation.tables import MEASURE_TITLES, Table, cell
from cerberus_annotate.learn.training.colours import stained
from cerberus_annotate.network.model import Model, load_model
from cerberus_annotate.predict import predict_image

Rgb = NDArray[np.uint8]


@dataclass(frozen=True)
class TestSet:
    """Test images and the measures that are shown of a task."""

    title: str
    folder: str
    split: str
    task: str
    measures: tuple[str, ...]


TEST_SETS = (
    TestSet("GlaS test A", "glas", "testA", "gland", ("object_f1", "object_dice")),
    TestSet("CoNSeP test", "consep", "test", "nuclei", ("pq", "aji", "dice", "type_macro_f1")),
    TestSet("MoNuSeg test", "monuseg", "test", "nuclei", ("pq", "aji", "dice")),
)


def stain(haematoxylin: float, eosin: float) -> Callable[[LabelledImage], LabelledImage]:
    """Each of the two stains (in HED space, Ruifrok & Johnston 2001) times a factor."""
    gains, shifts = np.array([haematoxylin, eosin, 1.0]), np.zeros(3)
    return lambda image: replace(image, rgb=stained(image.rgb, gains, shifts))


def blur(sigma: float) -> Callable[[LabelledImage], LabelledImage]:
    """Out of focus: a Gaussian of `sigma` µm."""
    return lambda image: replace(image, rgb=cv2.GaussianBlur(image.rgb, (0, 0), sigma / _mpp(image)))


def jpeg(quality: int) -> Callable[[LabelledImage], LabelledImage]:
    """Compressed once more, with the colours halved as JPEG does by default."""

    def change(image: LabelledImage) -> LabelledImage:
        written = cv2.imencode(".jpg", image.rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        return replace(image, rgb=np.ascontiguousarray(cv2.imdecode(written, cv2.IMREAD_COLOR)[..., ::-1]))

    return change


def resampled(mpp: float) -> Callable[[LabelledImage], LabelledImage]:
    """As if scanned at another pixel size; only `rgb` and `mpp` are changed."""

    def change(image: LabelledImage) -> LabelledImage:
        factor = _mpp(image) / mpp
        size = tuple(max(1, round(side * factor)) for side in image.rgb.shape[1::-1])
        way = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
        return replace(image, rgb=cv2.resize(image.rgb, size, interpolation=way).astype(np.uint8), mpp=mpp)

    return change


CHANGES: dict[str, Callable[[LabelledImage], LabelledImage]] = {
    "unchanged": lambda image: image,
    "haematoxylin -20 %": stain(0.8, 1.0),
    "haematoxylin +20 %": stain(1.2, 1.0),
    "eosin -20 %": stain(1.0, 0.8),
    "eosin +20 %": stain(1.0, 1.2),
    "blur 0.5 µm": blur(0.5),
    "blur 1 µm": blur(1.0),
    "JPEG 50": jpeg(50),
    "0.25 µm/px": resampled(0.25),
    "0.5 µm/px": resampled(0.5),
    "1 µm/px": resampled(1.0),
}


def predict_changed(image: LabelledImage, change: Callable[[LabelledImage], LabelledImage], model: Model) -> Prediction:
    """What the model finds of the labelled tasks in the changed image, in the pixels of the unchanged one."""
    seen = change(image)
    asked = [task for task in scorable_tasks(image, model) if task in model.tasks]
    objects = predict_image(seen.rgb, _mpp(seen), model, tasks=asked)
    shape = image.rgb.shape[:2]
    scale = np.array(shape[::-1]) / np.array(seen.rgb.shape[1::-1])
    objects = [replace(each, polygon=shapely.transform(each.polygon, lambda xy: xy * scale)) for each in objects]
    of = {task: [each for each in objects if each.task == task] for task in asked}
    classes = model.classes.get(TYPE_OUTPUT, ()) if "nuclei" in of else ()
    return Prediction(
        nuclei=drawn(of["nuclei"], shape) if "nuclei" in of else None,
        nucleus_types=type_indices(of["nuclei"], classes) if classes else None,
        nucleus_classes=classes,
        glands=drawn(of["gland"], shape) if "gland" in of else None,
    )


def measured(name: str, model: Model, images: Mapping[str, Sequence[LabelledImage]]) -> dict[str, Any]:
    """The measures of every test set under a change, by the set's title, as JSON can hold them."""
    found = {}
    for test in TEST_SETS:
        if images.get(test.title) and test.task in model.tasks:
            scores = score_predictions(
                lambda image: predict_changed(image, CHANGES[name], model), images[test.title], name=model.name
            )
            measures = scores.tasks[test.task].as_json()
            found[test.title] = {measure: measures[measure] for measure in test.measures if measure in measures}
    return found


def only_labels(image: LabelledImage, task: str) -> LabelledImage:
    """The image with the labels of one task, so that nothing else is predicted."""
    if task == "gland":
        return replace(image, nuclei=None, nucleus_types=None, nucleus_points=None, lumina=None)
    return replace(image, glands=None, gland_types=None, lumina=None, nucleus_points=None)


def evenly(images: Sequence[LabelledImage], count: int) -> list[LabelledImage]:
    """At most `count` images, at even steps through all."""
    places = np.unique(np.linspace(0, len(images) - 1, min(count, len(images))).astype(int))
    return [images[place] for place in places]


def table_of(results: Mapping[str, Mapping[str, Any]], test: TestSet, count: int) -> Table:
    """A row a change; what a measure has lost stands behind it."""
    base = results["unchanged"][test.title]
    measures = [name for name in test.measures if name in base]
    rows = []
    for change, found in results.items():
        values = found[test.title]
        cells = []
        for name in measures:
            estimate = Estimate(values[name]["value"], *values[name]["ci"])
            shown = cell(name, estimate)
            cells.append(shown if change == "unchanged" else f"{estimate.value - base[name]['value']:+.3f} → {shown}")
        rows.append((change, *cells))
    header = ("", *(MEASURE_TITLES[name] for name in measures))
    return Table(f"{test.title}, {count} images", header, tuple(rows))


def run(data: Path, model: Model, count: int, out: Path, page: Path) -> None:
    """Scores change by change, and writes the page after each."""
    images = {}
    for test in TEST_SETS:
        found = [only_labels(image, test.task) for image in read_data_set(data / test.folder).images([test.split])]
        images[test.title] = evenly(found, count)
    kept = out / f"{model.name}.json"
    of = {"sha256": model.sha256, "images": {title: len(some) for title, some in images.items()}}
    known = json.loads(kept.read_text("utf-8")) if kept.exists() else {}
    results: dict[str, Any] = known.get("results", {}) if known.get("of") == of else {}
    for name in CHANGES:
        if name not in results:
            print(f"{name} …", flush=True)
            results[name] = measured(name, model, images)
            out.mkdir(parents=True, exist_ok=True)
            kept.write_text(json.dumps({"of": of, "results": results}) + "\n", "utf-8")
            write_results(page, results, model, images, count)
    write_results(page, results, model, images, count)


def write_results(
    page: Path, results: Mapping[str, Any], model: Model, images: Mapping[str, Sequence[LabelledImage]], count: int
) -> None:
    """The page of the changes that are done."""
    shown = [test for test in TEST_SETS if test.title in results["unchanged"]]
    tables = [table_of(results, test, len(images[test.title])) for test in shown]
    command = f"python -m benchmarks.robustness --data ../shared/data --model {model.name} --images {count}"
    paragraphs = [
        f"The test images of each set as they are, and changed before the model ({model.name}) sees them. Stains are "
        "multiplied in HED space; blur is a Gaussian of that sigma; JPEG 50 is a second compression with halved "
        "colour; µm/px is the pixel size that the image is resampled to and handed over at (GlaS is 0.62, CoNSeP and "
        f"MoNuSeg are 0.25 µm/px; the model takes {model.input_mpp:g}). Labels stay as they are, at their own "
        "resolution. Training varies stains by 0.75 to 1.3, blur, half resolution and JPEG 40 to 90 "
        "(`learn/training/colours.py`), so most of these changes are within what the bundled model was made for.",
        "Before each arrow stands the difference from `unchanged`, behind it the value with its 95 % interval over "
        f"images. Hardware: {hardware()}.",
    ]
    write_page(
        page,
        f"Robustness of {model.name}",
        [command],
        paragraphs,
        tables,
        {"model": model.name, "sha256": model.sha256, "results": results},
    )


def _mpp(image: LabelledImage) -> float:
    assert image.mpp is not None  # all three sets state it
    return image.mpp


def main(arguments: Iterable[str] | None = None) -> int:
    """Runs all changes; gives the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder with glas/, consep/ and monuseg/")
    parser.add_argument("--model", default="cerberus-small", help="a model's name, or a checkpoint")
    parser.add_argument("--images", type=int, default=60, help="at most so many of each set")
    parser.add_argument("--out", type=Path, default=Path("runs/robustness"))
    parser.add_argument("--page", type=Path, default=Path("docs/results/robustness.md"))
    given = parser.parse_args(None if arguments is None else list(arguments))
    torch.set_num_threads(1)
    try:
        run(given.data, load_model(given.model), given.images, given.out, given.page)
    except CerberusError as error:
        print(error)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
