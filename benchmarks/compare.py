"""Cerberus against U-Net, SegNet and MedT: trains them alike and tabulates how they do on images that none has seen.

    python -m benchmarks.compare ebhi-seg --data ../shared/data/ebhi-seg
    python -m benchmarks.compare glas --data ../shared/data/glas [--data FOLDER-WITH-TEST-B]

All are trained by the package's trainer: the same images, number of steps, crops a step, augmentation, losses,
optimiser, schedule and seed; nothing is tuned for any of them. A run that was interrupted goes on, one that is finished
is not trained again; `--models` picks some, and the page shows all that are finished.
"""

import argparse
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from benchmarks import compared_tables
from benchmarks.baselines.colour_only import ColourOnly, fit_colours
from benchmarks.contenders import CONTENDERS, Setting, load_contender, train_contender
from benchmarks.result_pages import hardware, write_page
from cerberus_annotate.errors import CerberusError, ModelError, UsageError
from cerberus_annotate.learn.data.labelled_image import DataSet, LabelledImage
from cerberus_annotate.learn.data.layouts.finding import read_data_set
from cerberus_annotate.learn.evaluation.benchmarks import all_foreground
from cerberus_annotate.learn.evaluation.prediction import Prediction, predict_labelled
from cerberus_annotate.learn.evaluation.scores import Scores
from cerberus_annotate.learn.evaluation.scoring import score_predictions
from cerberus_annotate.network.model import Model, load_model

SETTINGS = {
    "ebhi-seg": Setting(
        data="ebhi-seg",
        tasks=("mask", "patch"),
        train_splits=("train", "val"),
        mpp=0.25,
        image_mpp=0.25,
        crop=224,
        whole=True,
        lean_stem=True,
        batch=8,
        steps=500,
    ),
    "glas": Setting(
        data="glas",
        tasks=("gland",),
        train_splits=("train",),
        mpp=0.75,
        image_mpp=None,
        crop=192,
        whole=False,
        lean_stem=False,
        batch=4,
        steps=400,
    ),
}
TEST_SPLITS = {"ebhi-seg": ("test",), "glas": ("testA", "testB")}
COMPARED = {"ebhi-seg": list(CONTENDERS), "glas": [name for name in CONTENDERS if not CONTENDERS[name].transfer]}
REGISTERED = {"ebhi-seg": "cerberus-small-ebhi", "glas": "cerberus-small"}
"""The bundled model that is scored beside them, where it is there."""

COLOUR_ONLY, ALL_FOREGROUND = "colour-only", "all-foreground"

Predict = Callable[[LabelledImage], Prediction]


def main(arguments: Sequence[str] | None = None) -> int:
    """Trains, scores and writes the page, contender by contender; gives the exit status."""
    given = parse(arguments)
    torch.set_num_threads(given.threads)
    try:
        compare(given)
    except CerberusError as error:
        print(error)
        return 1
    return 0


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command's arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("experiment", choices=list(SETTINGS))
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        action="append",
        help="folder of the data set; of a part of it when given twice",
    )
    parser.add_argument("--models", nargs="+", choices=list(CONTENDERS), help="default: all of the experiment")
    parser.add_argument("--steps", type=int, help="of training, of each network")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--start", default="cerberus-small", help="model whose encoder `cerberus-transfer` begins with")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--out", type=Path, default=Path("runs/compare"), help="where runs are kept")
    parser.add_argument("--page", type=Path, help="the result page (default: docs/results/EXPERIMENT.md)")
    given = parser.parse_args(arguments)
    given.steps = given.steps or SETTINGS[given.experiment].steps
    given.models = given.models or COMPARED[given.experiment]
    given.page = given.page or Path("docs/results") / f"{given.experiment}.md"
    return given


def compare(given: argparse.Namespace) -> None:
    """What the command does. Raises CerberusError."""
    setting = SETTINGS[given.experiment]
    sets = [read_data_set(_folder_of(path, setting.data)) for path in given.data]
    tests = test_images(sets, setting)
    images = [prepared(image, setting) for one in sets for image in one.images(setting.train_splits)]
    classes = next((one.patch_classes for one in sets if one.patch_classes), ())
    out = given.out / given.experiment
    for name, (predict, mark) in references(given.experiment, images, classes).items():
        score_all(name, predict, tests, out / name, mark)
    for name in given.models:
        folder = out / f"{name}-{given.seed}"
        if not images and not (folder / "training.json").exists():
            raise UsageError(
                f"{given.data[0]} has no image of the splits {', '.join(setting.train_splits)} to train on."
            )
        if images:
            train_contender(name, setting, images, classes, folder, given.steps, given.seed, given.start)
        model = load_contender(name, folder)
        score_all(name, predict_with(model), tests, folder, model.sha256)
        write(given, setting, list(tests), classes)
    write(given, setting, list(tests), classes)


def test_images(sets: Sequence[DataSet], setting: Setting) -> dict[str, list[LabelledImage]]:
    """The images of each test split that is there, by its name. Raises UsageError where there are none."""
    found = {}
    for split in TEST_SPLITS[setting.data]:
        images = [prepared(image, setting) for one in sets for image in one.images([split])]
        if images:
            found[split] = images
    if not found:
        splits = " or ".join(TEST_SPLITS[setting.data])
        raise UsageError(f"There is no image of the split {splits} to score on; give the folder of {setting.data}.")
    return found


def prepared(image: LabelledImage, setting: Setting) -> LabelledImage:
    """The image with the pixel size that it is taken for where it has none."""
    return image if image.mpp is not None else replace(image, mpp=setting.image_mpp)


def references(
    experiment: str, images: Sequence[LabelledImage], classes: tuple[str, ...]
) -> dict[str, tuple[Predict, str]]:
    """What is scored beside the trained networks, the registered model and what needs no network, each with a mark that
    changes when it does."""
    found: dict[str, tuple[Predict, str]] = {}
    name = REGISTERED[experiment]
    try:
        model = load_model(name)
        found[name] = predict_with(model), model.sha256
    except ModelError:
        print(f"{name} is not registered; its row is left out.")
    if classes and images:
        colours = fit_colours([i.rgb for i in images], [i.patch_class or "" for i in images], classes)
        found[COLOUR_ONLY] = partial(by_colours, colours=colours), hashlib.sha256(colours.weights.data).hexdigest()
        found[ALL_FOREGROUND] = all_foreground, ALL_FOREGROUND
    return found


def predict_with(model: Model) -> Predict:
    """What a model finds."""
    return partial(predict_labelled, model=model)


def by_colours(image: LabelledImage, colours: ColourOnly) -> Prediction:
    """The class that an image's colours speak for."""
    return Prediction(patch=colours.probabilities(image.rgb), patch_classes=colours.classes)


def score_all(
    name: str, predict: Predict, tests: Mapping[str, Sequence[LabelledImage]], folder: Path, mark: str
) -> None:
    """Scores on every test split into `scores-SPLIT.json`; not again where that was written for the same `mark`."""
    folder.mkdir(parents=True, exist_ok=True)
    for split, images in tests.items():
        path = folder / f"scores-{split}.json"
        if path.exists():
            known = json.loads(path.read_text("utf-8"))
            if known["mark"] == mark and known["names"] == [image.name for image in images]:
                continue
        print(f"{name}: scoring {len(images)} images of {split}", flush=True)
        scores = score_predictions(predict, images, name=name)
        content = {"mark": mark, "names": [image.name for image in images], **as_json(scores, images)}
        path.write_text(json.dumps(content) + "\n", "utf-8")


def as_json(scores: Scores, images: Iterable[LabelledImage]) -> dict[str, Any]:
    """Scores with each image's own measures and class."""
    return {
        "tasks": scores.as_json(),
        "images": {task: {each.name: dict(each.values) for each in of.images} for task, of in scores.tasks.items()},
        "classes": {image.name: image.patch_class for image in images},
    }


def write(given: argparse.Namespace, setting: Setting, splits: Sequence[str], classes: tuple[str, ...]) -> None:
    """The page of all that is finished."""
    out = given.out / given.experiment
    rows: dict[str, dict[str, Any]] = {}
    for name in (*CONTENDERS, REGISTERED[given.experiment], COLOUR_ONLY, ALL_FOREGROUND):
        folder = out / (f"{name}-{given.seed}" if name in CONTENDERS else name)
        found = {split: folder / f"scores-{split}.json" for split in splits}
        if not all(path.exists() for path in found.values()):
            continue
        row: dict[str, Any] = {split: json.loads(path.read_text("utf-8")) for split, path in found.items()}
        if name in CONTENDERS:
            row["training"] = json.loads((folder / "training.json").read_text("utf-8"))
        rows[name] = row
    titles = {name: CONTENDERS[name].title if name in CONTENDERS else name.replace("-", " ") for name in rows}
    titles |= {REGISTERED[given.experiment]: f"bundled {REGISTERED[given.experiment]}"}
    make = compared_tables.mask_tables if "mask" in setting.tasks else compared_tables.gland_tables
    tables = [table for split in splits for table in make(split, rows, titles, classes)]
    folders = " ".join(f"--data {_shown(path)}" for path in given.data)
    command = f"python -m benchmarks.compare {given.experiment} {folders} --steps {given.steps} --seed {given.seed}"
    content = {
        "setting": asdict(setting),
        "steps": given.steps,
        "seed": given.seed,
        "hardware": hardware(),
        "rows": {
            name: {
                **({"training": row["training"]} if "training" in row else {}),
                **{split: row[split]["tasks"] for split in splits},
            }
            for name, row in rows.items()
        },
    }
    write_page(
        given.page, compared_tables.HEADINGS[given.experiment], [command], paragraphs(given, setting), tables, content
    )


def paragraphs(given: argparse.Namespace, setting: Setting) -> list[str]:
    """What stands above the tables."""
    splits = ", ".join(setting.train_splits)
    same = (
        f"All networks but the bundled one: {given.steps} steps of {setting.batch} crops, the same images (splits "
        f"{splits}), augmentation, losses, AdamW with one rate and schedule, moving average of the weights, bf16, seed "
        f"{given.seed}; the last weights are scored, none were chosen by their scores. Widths, resolution and steps "
        "are cut for CPUs. U-Net and SegNet have a quarter of their papers' width. MedT is our own reading of its "
        "paper with 4 heads for 8, and takes 128 px as there. "
    )
    same += compared_tables.CONDITIONS[given.experiment]
    notes = (
        f"Hardware: {hardware()}, shared with other work; CPU minutes are of training alone. Multiply-adds are of one "
        "training crop's forward pass. Intervals (95 %) are over test images only; they say nothing of how another "
        "seed would have come out, and images of one patient are counted as independent."
    )
    return [same, notes]


def _folder_of(path: Path, name: str) -> Path:
    """The data set's own folder where `path` is the one that holds all of them."""
    return path / name if (path / name).is_dir() else path


def _shown(path: Path) -> str:
    """A path for the page, which names no folders of this machine."""
    return f"../shared/data/{path.name}" if path.is_absolute() else str(path)


if __name__ == "__main__":
    raise SystemExit(main())
