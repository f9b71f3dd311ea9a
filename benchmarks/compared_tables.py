"""The tables of a comparison, from what was written of each network's scores."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cerberus_annotate.learn.evaluation import metrics
from cerberus_annotate.learn.evaluation.benchmarks import BENCHMARKS
from cerberus_annotate.learn.evaluation.metrics import Estimate, bootstrap
from cerberus_annotate.learn.evaluation.tables import MEASURE_TITLES, Table, cell

HEADINGS = {
    "ebhi-seg": "EBHI-Seg: Cerberus against U-Net, SegNet and MedT",
    "glas": "GlaS: Cerberus against U-Net, SegNet and MedT",
}
CONDITIONS = {
    "ebhi-seg": (
        "Each image is one crop of 224 px; MedT sees it shrunk to 128. Each network has a head for the foreground and "
        "one for the class of the image, trained together. The split is by patient and our own, since EBHI-Seg was "
        "published without one. `transfer` begins with the encoder of the bundled multi-task model; its other layers "
        "begin at random."
    ),
    "glas": (
        "All take 0.75 µm/px and learn inside and contour of glands; instances are made of them by Cerberus' own "
        "post-processing, which drops what is smaller than 1,000 px of the grid, here 563 µm² (the bundled model: "
        "250 µm²). Crops are of 192 px, of 128 px for MedT, which sees test images through windows of that side. The "
        "bundled model was trained far longer, at a finer grid, on these training images and on nuclei of other sets."
    ),
}
MASK_MEASURES = ("dice", "jaccard", "precision", "recall")
PATCH_MEASURES = ("accuracy", "macro_f1", "ece")
GLAND_MEASURES = ("object_f1", "object_dice", "object_hausdorff")
TRAINING = ("parameters", "multiply-adds", "CPU min")
BASE = "cerberus-transfer"

Rows = Mapping[str, Mapping[str, Any]]
"""By name of a network: `training` where it was trained here, and its scores by split."""


def mask_tables(split: str, rows: Rows, titles: Mapping[str, str], classes: Sequence[str]) -> list[Table]:
    """Masks over all classes, each measure by class, and the classes of images."""
    scored = {name: row for name, row in rows.items() if "semantic" in row[split]["tasks"]}
    if not scored:
        return []
    count = next(iter(scored.values()))[split]["tasks"]["semantic"]["images"]
    known = set(next(iter(scored.values()))[split]["tasks"]["semantic"].get("per_class", {}))
    order = [name for name in classes if name in known]
    less = f"Dice less {titles[BASE]}" if BASE in scored else ""
    header = ("", *TRAINING, *(MEASURE_TITLES[m] for m in MASK_MEASURES), *([less] if less else []))
    overall = []
    for name, row in scored.items():
        found = row[split]["tasks"]["semantic"]
        difference = [_difference(row[split], scored[BASE][split], name)] if less else []
        overall.append((titles[name], *_training(row), *(_cell(found, m) for m in MASK_MEASURES), *difference))
    note = "Each measure is of an image's foreground, averaged within each class, then over the classes."
    tables = [Table(f"Masks, split {split}, {count} images, mean of six classes", header, tuple(overall), (note,))]
    for measure in MASK_MEASURES:
        by_class = [
            (titles[name], *(_cell(row[split]["tasks"]["semantic"]["per_class"].get(c, {}), measure) for c in order))
            for name, row in scored.items()
        ]
        header = ("", *(name.replace("_", " ") for name in order))
        tables.append(Table(f"{MEASURE_TITLES[measure]} of masks by class", header, tuple(by_class)))
    return [*tables, *_patch_tables(split, rows, titles, order)]


def _patch_tables(split: str, rows: Rows, titles: Mapping[str, str], order: Sequence[str]) -> list[Table]:
    scored = {name: row[split]["tasks"]["patch"] for name, row in rows.items() if "patch" in row[split]["tasks"]}
    whole = tuple((titles[name], *(_cell(found, m) for m in PATCH_MEASURES)) for name, found in scored.items())
    each = tuple(
        (titles[name], *(_cell(found["per_class"].get(c, {}), "f1") for c in order)) for name, found in scored.items()
    )
    return [
        Table("Class of the image", ("", *(MEASURE_TITLES[m] for m in PATCH_MEASURES)), whole),
        Table("F1 of the image's class", ("", *(name.replace("_", " ") for name in order)), each),
    ]


def gland_tables(split: str, rows: Rows, titles: Mapping[str, str], classes: Sequence[str]) -> list[Table]:
    """The challenge's three measures, and published figures below ours."""
    scored = {name: row for name, row in rows.items() if "gland" in row[split]["tasks"]}
    if not scored:
        return []
    count = next(iter(scored.values()))[split]["tasks"]["gland"]["images"]
    ours = [
        (titles[name], *_training(row), *(_cell(row[split]["tasks"]["gland"], m) for m in GLAND_MEASURES))
        for name, row in scored.items()
    ]
    references = [each for each in BENCHMARKS["glas"].references if f"glas {split}" in each.values]
    theirs = [
        (each.name, *["–"] * len(TRAINING), *(values.get(m, "–") for m in GLAND_MEASURES))
        for each in references
        if (values := each.values[f"glas {split}"])
    ]
    notes = tuple(f"{each.name}: {each.source}." for each in references)
    header = ("", *TRAINING, *(MEASURE_TITLES[m] for m in GLAND_MEASURES))
    return [Table(f"Glands, split {split}, {count} images", header, (*ours, *theirs), notes)]


def macro_difference(
    ours: Mapping[str, Mapping[str, float]],
    others: Mapping[str, Mapping[str, float]],
    class_of: Mapping[str, str],
    measure: str = "dice",
) -> Estimate:
    """The class-averaged measure less that of another network on the same images, drawn together.

    ours, others: measures by image.  class_of: each image's class.
    """
    names = list(ours)
    classes = sorted({class_of[name] for name in names})
    members = np.array([[class_of[name] == each for each in classes] for name in names], np.float64)
    values = np.array([ours[name][measure] - others[name][measure] for name in names])
    statistics = np.stack([members * values[:, None], members], axis=-1)
    return bootstrap(statistics, {"": lambda sums: metrics.mean_of_present(metrics.mean(sums))})[""]


def _difference(found: Mapping[str, Any], base: Mapping[str, Any], name: str) -> str:
    if name == BASE:
        return "–"
    estimate = macro_difference(found["images"]["semantic"], base["images"]["semantic"], found["classes"])
    return f"{estimate.value:+.3f} ({estimate.low:+.3f} to {estimate.high:+.3f})"


def _cell(found: Mapping[str, Any], measure: str) -> str:
    values = found.get(measure)
    return cell(measure, None if values is None else Estimate(values["value"], *values["ci"]))


def _training(row: Mapping[str, Any]) -> tuple[str, ...]:
    """Parameters, multiply-adds and minutes."""
    if "training" not in row:
        return ("–",) * len(TRAINING)
    found = row["training"]
    return (
        f"{found['parameters'] / 1e6:.2f} M",
        f"{found['multiply_adds'] / 1e9:.2f} G",
        f"{found['cpu_minutes']:.1f}",
    )
