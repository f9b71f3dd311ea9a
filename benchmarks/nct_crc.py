"""The NCT-CRC-HE benchmark: nine tissue classes learnt from NCT-CRC-HE-100K, scored on CRC-VAL-HE-7K.

    python -m benchmarks.nct_crc --data FOLDER [--freeze none|encoder] [--start cerberus-small] [--steps 20000]

FOLDER holds both sets as downloaded from https://zenodo.org/records/1214456, each nine folders of patches. The encoder
begins with the weights of --start (`none`: random ones); with `--freeze encoder` only the new head learns. Patches are
read from disk as they are drawn. A classifier that sees colours alone is scored beside it. An interrupted run goes on
from OUT/last.pt; the tables are written to OUT/nct-crc.md. Meant for a GPU: an epoch is 3,125 steps of 32 patches.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.baselines.colour_only import ColourOnly, fit_colours
from benchmarks.result_pages import hardware, write_page
from cerberus_annotate.errors import CerberusError, UsageError
from cerberus_annotate.learn.data.labelled_image import DataSet, LabelledImage
from cerberus_annotate.learn.data.layouts import read_data_set
from cerberus_annotate.learn.evaluation.prediction import Prediction
from cerberus_annotate.learn.evaluation.scores import Scores
from cerberus_annotate.learn.evaluation.scoring import score, score_predictions
from cerberus_annotate.learn.evaluation.tables import Table, cell, score_tables
from cerberus_annotate.learn.training.loop import train, write_weights
from cerberus_annotate.learn.training.plan import DataPlan, Plan
from cerberus_annotate.learn.training.sources import fingerprint, read_images
from cerberus_annotate.network.model import load_model

SIDE = 224
BATCH = 32
RATE = 1e-3
ENCODER_RATE = 0.3
"""Of a pretrained encoder that learns on, relative to the new head's."""

COLOUR_PATCHES = 300
"""A class that the colour-only classifier learns from; its 60 statistics need no more."""


def plan_of(classes: tuple[str, ...], start: str | None, freeze: str, steps: int) -> Plan:
    """What is trained."""
    return Plan(
        "nct-crc",
        (DataPlan(".", ("train",)),),
        tasks=("patch",),
        start=start,
        freeze=freeze,
        encoder_rate=ENCODER_RATE if start else 1.0,
        steps=steps,
        side=SIDE,
        batch=BATCH,
        rate=RATE,
        patch_classes=classes,
    )


def run(data: Path, plan: Plan, out: Path, accelerator: str = "auto") -> dict[str, Scores]:
    """Trains the plan, scores it and the colour-only classifier, and writes `out/nct-crc.md`; gives the scores by
    classifier. Raises UsageError where one of the two sets is missing."""
    data_set = read_data_set(data)
    splits = {entry.split for entry in data_set.entries}
    for split, name in (("train", "NCT-CRC-HE-100K"), ("test", "CRC-VAL-HE-7K")):
        if split not in splits:
            raise UsageError(f"{data} holds no patches of {name}; put both sets' folders into it.")
    images = read_images(plan, data)

    def progress(step: int, steps: int, losses: dict[str, float]) -> None:
        if step % 50 == 0:
            print(f"step {step} of {steps}, loss {losses['patch']:.3f}", flush=True)

    last = train(plan, images, out, fingerprint=fingerprint(images), accelerator=accelerator, progress=progress)
    model = load_model(write_weights(last, out / "weights.pt"), "cpu" if accelerator == "cpu" else "auto")
    colours = colours_of(data_set, plan.patch_classes)
    found = {
        "Cerberus": score(model, data_set.images(["test"])),
        "colour only": score_predictions(lambda image: by_colours(image, colours), data_set.images(["test"])),
    }
    write_results(out / "nct-crc.md", found, plan, len(images[0]))
    return found


def colours_of(data_set: DataSet, classes: tuple[str, ...]) -> ColourOnly:
    """The colour-only classifier, from an even choice of each class's training patches."""
    chosen = []
    for name in classes:
        mine = [entry for entry in data_set.entries if entry.split == "train" and entry.patch_class == name]
        places = np.linspace(0, len(mine) - 1, min(len(mine), COLOUR_PATCHES)).astype(int)
        chosen += [mine[place] for place in places]
    return fit_colours([entry.read().rgb for entry in chosen], [entry.patch_class or "" for entry in chosen], classes)


def by_colours(image: LabelledImage, colours: ColourOnly) -> Prediction:
    """What a patch's colours speak for."""
    return Prediction(patch=colours.probabilities(image.rgb), patch_classes=colours.classes)


def write_results(page: Path, found: dict[str, Scores], plan: Plan, patches: int) -> None:
    """The page: both classifiers, then Cerberus by class."""
    names = ("accuracy", "macro_f1", "ece")
    rows = tuple((name, *(cell(m, of.tasks["patch"].measures.get(m)) for m in names)) for name, of in found.items())
    count = next(iter(found.values())).images
    whole = Table(f"CRC-VAL-HE-7K, {count:,} patches", ("", "accuracy", "macro F1", "calibration error"), rows)
    start = plan.start or "none"
    options = f"--start {start} --freeze {plan.freeze} --steps {plan.steps}"
    text = (
        f"Trained on {patches:,} patches of NCT-CRC-HE-100K for {plan.steps:,} steps of {plan.batch}, start {start}, "
        f"frozen: {plan.freeze}, seed {plan.seed}. Intervals (95 %) are over patches, which are not independent: the "
        f"test set has 50 patients. Hardware: {hardware()}."
    )
    content = {name: scores.as_json() for name, scores in found.items()}
    command = f"python -m benchmarks.nct_crc --data FOLDER {options}"
    tables = [whole, *score_tables(found["Cerberus"])]
    write_page(page, "NCT-CRC-HE-100K to CRC-VAL-HE-7K", [command], [text], tables, content)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the benchmark; gives the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder with both sets")
    parser.add_argument("--start", default="cerberus-small", help="model whose encoder is taken, or `none`")
    parser.add_argument("--freeze", choices=["none", "encoder"], default="none")
    parser.add_argument("--steps", type=int, default=20_000)
    parser.add_argument("--accelerator", default="auto", help="auto, cpu, cuda or mps")
    parser.add_argument("--out", type=Path, default=Path("runs/nct-crc"))
    given = parser.parse_args(arguments)
    start = None if given.start == "none" else given.start
    try:
        if start is None and given.freeze != "none":
            raise UsageError("A random encoder cannot be frozen; give --start, or leave --freeze out.")
        classes = read_data_set(given.data).patch_classes
        run(given.data, plan_of(classes, start, given.freeze, given.steps), given.out, given.accelerator)
    except CerberusError as error:
        print(error)
        return 1
    print((given.out / "nct-crc.md").read_text("utf-8"))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
