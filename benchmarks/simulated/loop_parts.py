"""The parts of the loop as the commands call them: annotate, harvest, fine-tune, the review queue; and training from
scratch."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from numpy.typing import NDArray

from benchmarks.simulated.oracle import UNTYPED
from benchmarks.simulated.project import TASK
from cerberus_annotate.annotate.classes import ClassTable, known_classes
from cerberus_annotate.annotate.options import Options
from cerberus_annotate.annotate.run import run
from cerberus_annotate.cli.predictor import load_predictor
from cerberus_annotate.errors import CerberusError
from cerberus_annotate.feedback.reviewed import TO_REVIEW_CLASS
from cerberus_annotate.harvest.options import HarvestOptions
from cerberus_annotate.harvest.run import harvest
from cerberus_annotate.learn.finetuning.material import read_harvests
from cerberus_annotate.learn.finetuning.options import FinetuneOptions
from cerberus_annotate.learn.finetuning.run import finetune
from cerberus_annotate.learn.training.heads import heads_of
from cerberus_annotate.learn.training.loop import train, write_weights
from cerberus_annotate.learn.training.plan import DataPlan, Plan
from cerberus_annotate.network.cerberus import Cerberus
from cerberus_annotate.network.checkpoint import read_checkpoint
from cerberus_annotate.network.model import Model, load_model
from cerberus_annotate.qupath import PathClass, Project
from cerberus_annotate.review.candidates import Bounds
from cerberus_annotate.review.ranking import Candidate, rank_regions


def annotate(project: Project, weights: Path, names: Sequence[str], typed: bool) -> None:
    """Nuclei in the regions to review of the images with these names, by the model in `weights`.

    typed: whether the truth has types; where it has none, all nuclei are written as plain `Nucleus`, as a lab does that
    does not ask for types.  Raises CerberusError where an image fails.
    """
    model, predict = load_predictor(str(weights), "cpu", "auto", None, "auto")
    options = Options(
        tasks=(TASK,),
        images=tuple(names),
        regions=f"class:{TO_REVIEW_CLASS}",
        classes=ClassTable() if typed else without_types(model),
    )
    summary = run(project, model, options, predict)
    failed = [record.reason for record in summary.images.values() if record.status in ("failed", "refused")]
    if failed:
        raise CerberusError(str(failed[0]))


def without_types(model: Model) -> ClassTable:
    """All classes of nuclei as one."""
    nuclei = [text for text in known_classes(model.classes) if PathClass.of(text).base == UNTYPED]
    # the plain class first, so that the harvest takes it for itself
    return ClassTable(dict.fromkeys(sorted(nuclei), PathClass.of(UNTYPED)))


def take_in(project: Project, folder: Path) -> None:
    """Harvests what was reviewed.  Raises CerberusError where an image fails."""
    outcome = harvest(project, folder, HarvestOptions())
    if outcome.failed:
        raise CerberusError(next(iter(outcome.failed.values())))


def learn(folder: Path, start: Path, name: str, out: Path, steps: int, seed: int, replay: Sequence[Path] = ()) -> Path:
    """Weights of the start model after it has learnt a harvest beside the data sets that are replayed."""
    # what a round that was cut off left is of other objects, though of the same outlines
    shutil.rmtree(out, ignore_errors=True)
    options = FinetuneOptions(parent=str(start), replay=tuple(replay), steps=steps, seed=seed, accelerator="cpu")
    weights = finetune([folder], name, out, options).weights
    (out / "last.pt").unlink(missing_ok=True)
    return weights


def learn_from_scratch(folder: Path, start: Path, name: str, out: Path, steps: int, seed: int) -> Path:
    """Weights of a network of the start model's shape that begins at random and learns a harvest.

    It also learns from the regions that tell a fine-tune when to stop, which it does not need.
    """
    shutil.rmtree(out, ignore_errors=True)
    config = read_checkpoint(start).config
    harvested = read_harvests([folder])
    images = [*harvested.train, *harvested.val]
    plan = Plan(name, (DataPlan("harvest"),), tasks=heads_of(config).tasks, steps=steps, seed=seed)
    torch.manual_seed(seed)
    last = train(plan, [images], out, network=Cerberus(config), config=config, accelerator="cpu")
    weights = write_weights(last, out / "weights.pt", [images])
    last.unlink()
    return weights


def queue(
    images: Mapping[str, tuple[NDArray, float]], weights: Path, candidates: Sequence[Candidate], count: int
) -> list[Candidate]:
    """`count` of the candidates in the order of the review queue; where it has no more, candidates in their order.

    images: name → (rgb uint8 (H, W, 3), µm/px).
    """
    boxes: dict[str, list[Bounds]] = {}
    for candidate in candidates:
        boxes.setdefault(candidate.image, []).append(candidate.bounds)
    shown = ((name, *images[name]) for name in boxes)
    ranking = rank_regions(shown, load_model(weights), boxes, tasks=(TASK,), budget=count)
    chosen = [ranked.candidate for ranked in ranking.regions]
    rest = [candidate for candidate in candidates if candidate not in chosen]
    return [*chosen, *rest][:count]
