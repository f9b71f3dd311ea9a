"""Which tasks help each other: glands learnt alone, beside nuclei, beside tasks that do not fit, and after nuclei.

    python -m benchmarks.task_alignment --data ../shared/data [--steps 1200] [--seeds 1] [--out runs/task-alignment]

Every arm is trained by the package's trainer for the same number of steps with four gland crops in each, so that all
have seen equally many glands; what a second task adds, it adds on top, and `gland, twice the crops` is the arm that
spends the same on glands alone. Scored on GlaS test A and on the CoNSeP and MoNuSeg test images. An interrupted run
goes on where it was. One pixel of the network's grid is 1 µm here, half as fine as in the bundled model, to keep the
runs short; it is the same for all arms.
"""

import argparse
import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.result_pages import hardware, write_page
from cerberus_annotate.learn.data.labelled_image import LabelledImage
from cerberus_annotate.learn.data.layouts.finding import read_data_set
from cerberus_annotate.learn.evaluation import metrics
from cerberus_annotate.learn.evaluation.metrics import Estimate, Measure, bootstrap
from cerberus_annotate.learn.evaluation.prediction import predict_labelled
from cerberus_annotate.learn.evaluation.tables import Table, cell
from cerberus_annotate.learn.evaluation.tasks import areas, nuclei
from cerberus_annotate.learn.training.heads import network_for
from cerberus_annotate.learn.training.loop import train
from cerberus_annotate.learn.training.plan import DataPlan, Plan
from cerberus_annotate.network.model import Model, load_model

MPP = 1.0
SIDE = 128
GLAND_CROPS = 4

GLAS = DataPlan("glas", ("train",), 0.5)
NUCLEI = (DataPlan("consep", ("train",), 0.25), DataPlan("monuseg", ("train",), 0.25))
MISFITS = (DataPlan("dsb2018-brightfield", ("stage1_train",), 0.25), DataPlan("ebhi-seg", ("train",), 0.25))


@dataclass(frozen=True)
class Arm:
    """One way to train. crops: a step; with GlaS among others half of them are of GlaS.  after: the arm whose encoder
    this one begins with."""

    tasks: tuple[str, ...]
    data: tuple[DataPlan, ...]
    crops: int
    after: str | None = None


BASE = "gland"
ARMS = {
    BASE: Arm(("gland",), (GLAS,), GLAND_CROPS),
    "nuclei": Arm(("nuclei",), NUCLEI, GLAND_CROPS),
    "gland, encoder of nuclei": Arm(("gland",), (GLAS,), GLAND_CROPS, after="nuclei"),
    "gland + nuclei": Arm(("gland", "nuclei"), (GLAS, *NUCLEI), 2 * GLAND_CROPS),
    "gland + misfits": Arm(("gland", "nuclei", "patch"), (GLAS, *MISFITS), 2 * GLAND_CROPS),
    "gland, twice the crops": Arm(("gland",), (GLAS,), 2 * GLAND_CROPS),
}
MEANING = {
    BASE: "single task, from random weights",
    "nuclei": "single task, from random weights",
    "gland, encoder of nuclei": "transfer: begins with the encoder of `nuclei`",
    "gland + nuclei": "aligned: CoNSeP and MoNuSeg, H&E at the same pixel size",
    "gland + misfits": "misaligned: DSB2018 nuclei (mostly another stain) and the lesion class of EBHI-Seg patches",
    "gland, twice the crops": "single task, as many crops as the two above",
}
GLAND_MEASURES: dict[str, Measure] = {
    "object_f1": metrics.object_f1,
    "object_dice": metrics.object_dice,
    "object_hausdorff": metrics.object_hausdorff,
}


def plan_of(name: str, arm: Arm, steps: int, seed: int, start: Path | None, classes: tuple[str, ...]) -> Plan:
    """The plan of an arm; `classes` are those of the patches."""
    return Plan(
        name,
        arm.data,
        tasks=arm.tasks,
        start=None if start is None else str(start),
        steps=steps,
        side=SIDE,
        batch=arm.crops,
        seed=seed,
        patch_classes=classes if "patch" in arm.tasks else (),
    )


def run_arm(name: str, seed: int, steps: int, data: Path, out: Path) -> dict[str, Any]:
    """Trains an arm and scores it; gives what `scores.json` in its folder holds, at once where that is there."""
    arm, folder = ARMS[name], folder_of(name, seed, out)
    done = folder / "scores.json"
    if done.exists():
        found: dict[str, Any] = json.loads(done.read_text("utf-8"))
        if found["steps"] == steps:
            return found
    sets = [read_data_set(data / part.path) for part in arm.data]
    images = [list(one.images(part.splits)) for one, part in zip(sets, arm.data, strict=True)]
    classes = next((one.patch_classes for one in sets if one.patch_classes), ())
    start = None if arm.after is None else folder_of(arm.after, seed, out) / "last.pt"
    plan = plan_of(name, arm, steps, seed, start, classes)
    ticks: list[float] = []
    began = time.process_time()

    def progress(step: int, total: int, losses: dict[str, float]) -> None:
        ticks.append(time.process_time())
        if step % 100 == 0:
            print(
                f"{name}, seed {seed}: step {step} of {total}", {k: round(v, 3) for k, v in losses.items()}, flush=True
            )

    config = replace(network_for(plan), mpp=MPP)
    path = train(plan, images, folder, config=config, accelerator="cpu", progress=progress)
    a_step = (ticks[-1] - began) / len(ticks) if ticks else float("nan")
    content = {"arm": name, "seed": seed, "steps": steps, "cpu_minutes": a_step * steps / 60}
    content |= scores_of(load_model(path), data)
    done.write_text(json.dumps(content, indent=1) + "\n", "utf-8")
    return content


def folder_of(name: str, seed: int, out: Path) -> Path:
    """Where an arm's checkpoint and scores lie."""
    return out / f"{name.replace(', ', '-').replace(' + ', '-and-').replace(' ', '-')}-{seed}"


def scores_of(model: Model, data: Path) -> dict[str, Any]:
    """What each test image adds to the measures, by task and data set, for the tasks that the model has."""
    content: dict[str, Any] = {}
    if "gland" in model.tasks:
        images = read_data_set(data / "glas").images(["testA"])
        content["glas"] = gland_statistics(model, images)
    if "nuclei" in model.tasks:
        for name in ("consep", "monuseg"):
            content[name] = nucleus_values(model, read_data_set(data / name).images(["test"]))
    return content


def gland_statistics(model: Model, images: Iterable[LabelledImage]) -> dict[str, Any]:
    """By measure what each image adds to it."""
    found = [areas.measure(image.name, image.glands, predict_labelled(image, model).glands) for image in images]
    known = [each for each in found if each is not None]
    return {
        "object_f1": [each.hits.tolist() for each in known],
        "object_dice": [each.dice.tolist() for each in known],
        "object_hausdorff": [each.hausdorff.tolist() for each in known],
    }


def nucleus_values(model: Model, images: Iterable[LabelledImage]) -> dict[str, list[float]]:
    """PQ, AJI and Dice of each image."""
    found = [nuclei.measure(image, predict_labelled(image, model)) for image in images]
    known = [each.score.values for each in found if each is not None]
    return {name: [values[name] for values in known] for name in ("pq", "aji", "dice")}


def paired(ours: NDArray[np.float64], others: NDArray[np.float64], measure: Measure) -> Estimate:
    """The measure of one arm less that of another on the same images, drawn together; statistics (images, …)."""

    def difference(sums: NDArray[np.float64]) -> NDArray[np.float64]:
        first, second = np.split(sums, 2, axis=-1)
        return measure(first) - measure(second)

    both = np.concatenate([ours, others], axis=-1)
    return bootstrap(both, {"difference": difference})["difference"]


def tables_of(results: Sequence[Mapping[str, Any]]) -> list[Table]:
    """Glands of every arm, with the difference from glands alone of the same seed; and nuclei."""
    base = {found["seed"]: found for found in results if found["arm"] == BASE}
    glands, cells = [], []
    for found in results:
        label, minutes = f"{found['arm']} ({found['seed']})", f"{found['cpu_minutes']:.1f}"
        if "glas" in found:
            glands.append((label, minutes, *_gland_cells(found["glas"], base.get(found["seed"], {}).get("glas"))))
        if "consep" in found:
            values = {f"{s} {m}": np.array(found[s][m]) for s in ("consep", "monuseg") for m in ("pq", "aji", "dice")}
            means = metrics.mean_estimates
            estimates = [means({m: values[f"{s} {m}"]})[m] for s in ("consep", "monuseg") for m in ("pq", "aji")]
            cells.append((label, minutes, *(cell("pq", each) for each in estimates)))
    count = len(results[0]["glas"]["object_f1"]) if results and "glas" in results[0] else 0
    head = ("arm (seed)", "CPU minutes")
    f1, dice = "object F1", "object Dice"
    tables = [
        Table(
            f"Glands, GlaS test A, {count} images",
            (*head, f1, f"{f1} less `{BASE}`", dice, f"{dice} less `{BASE}`", "object Hausdorff (px)"),
            tuple(glands),
        )
    ]
    if cells:
        header = (*head, "CoNSeP PQ", "CoNSeP AJI", "MoNuSeg PQ", "MoNuSeg AJI")
        tables.append(Table("Nuclei, test images of CoNSeP and MoNuSeg", header, tuple(cells)))
    return tables


def _gland_cells(found: Mapping[str, Any], base: Mapping[str, Any] | None) -> tuple[str, ...]:
    of = {name: np.array(found[name], np.float64) for name in GLAND_MEASURES}
    estimates = {name: bootstrap(of[name], {name: measure})[name] for name, measure in GLAND_MEASURES.items()}

    def less(name: str) -> str:
        if base is None or base is found:
            return "–"
        estimate = paired(of[name], np.array(base[name], np.float64), GLAND_MEASURES[name])
        return f"{estimate.value:+.3f} ({estimate.low:+.3f} to {estimate.high:+.3f})"

    f1, dice, hausdorff = (cell(name, estimates[name]) for name in GLAND_MEASURES)
    return f1, less("object_f1"), dice, less("object_dice"), hausdorff


def main(arguments: Sequence[str] | None = None) -> None:
    """Trains and scores arm by arm, and writes the page after each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder with glas/, consep/, …")
    parser.add_argument("--steps", type=int, default=1200)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("runs/task-alignment"))
    parser.add_argument("--page", type=Path, default=Path("docs/results/task-alignment.md"))
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    results: list[dict[str, Any]] = []
    for seed in range(1, given.seeds + 1):
        for name in ARMS:
            results.append(run_arm(name, seed, given.steps, given.data, given.out))
            write_results(given.page, results, given.steps)


def write_results(page: Path, results: Sequence[Mapping[str, Any]], steps: int) -> None:
    """The page of what has been done so far."""
    seeds = max(found["seed"] for found in results)
    command = f"python -m benchmarks.task_alignment --data ../shared/data --steps {steps} --seeds {seeds}"
    arms = "\n".join(f"- `{name}`: {meaning}" for name, meaning in MEANING.items())
    setting = (
        f"Each arm: {steps} steps, {GLAND_CROPS} gland crops of {SIDE} x {SIDE} µm in each (`nuclei`: {GLAND_CROPS} "
        f"crops of nuclei), the lean network on a grid of {MPP} µm/px, one rate, one schedule, nothing tuned for any "
        f"arm. The grid is half as fine as the bundled model's and the runs are short, so figures stand below those of "
        f"its card; they are for comparing arms. Hardware: {hardware()}, shared with other work."
    )
    intervals = (
        "Intervals (95 %) are over test images only; they say nothing of how another seed would have come out. "
        "Differences are paired by image, with `gland` of the same seed."
    )
    write_page(page, "Alignment of tasks", [command], [setting, arms, intervals], tables_of(results), {"arms": results})


if __name__ == "__main__":
    main()
