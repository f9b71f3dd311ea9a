"""`finetune`: a model that has learnt from harvests, measured against the one that it began as."""

import json
import shlex
import sys
from collections.abc import Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cerberus_annotate.cli.arguments import FILE, FOLDER, json_option

if TYPE_CHECKING:
    from cerberus_annotate.learn.data.labelled_image import LabelledImage
    from cerberus_annotate.learn.finetuning.gate import Verdict
    from cerberus_annotate.learn.finetuning.report import Outcome
    from cerberus_annotate.learn.finetuning.run import Finetuned
    from cerberus_annotate.network.lineage import HarvestLearnt, Lineage

CONTRADICTIONS = 3
"""Sentences that are told before the rest is counted."""


@click.command(name="finetune", short_help="Teach a model what was corrected; keep it if it is better.")
@click.argument("harvests", nargs=-1, required=True, type=FOLDER, metavar="HARVEST...")
@click.option("--name", required=True, help="Name of the new model, for --model.")
@click.option("--from", "parent", metavar="NAME|PATH", help="Model to begin with. [default: the default model]")
@click.option(
    "--replay",
    multiple=True,
    type=FOLDER,
    metavar="DIR",
    help="Labelled data to learn beside the harvest, so that what they teach is not forgotten; may be repeated.",
)
@click.option(
    "--test",
    "tests",
    multiple=True,
    type=FOLDER,
    metavar="DIR",
    help="Labelled data to measure on too (their split test, else all of them); may be repeated.",
)
@click.option("--steps", type=click.IntRange(1), help="Steps of training. [default: 100 to 500, by the harvest's size]")
@click.option(
    "--freeze",
    type=click.Choice(["none", "encoder", "first-1", "first-2", "first-3"]),
    default="none",
    show_default=True,
    help="What of the encoder does not learn.",
)
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Decides crops and colours.")
@click.option("--out", type=FILE, metavar="DIR", help="Checkpoints, losses and the report. [default: finetune-NAME]")
@click.option("--accelerator", type=click.Choice(["auto", "cpu", "cuda", "mps"]), default="auto", show_default=True)
@click.option("--devices", type=click.IntRange(1), default=1, show_default=True, help="GPUs to train on.")
@json_option
def command(
    harvests: tuple[Path, ...],
    name: str,
    parent: str | None,
    replay: tuple[Path, ...],
    tests: tuple[Path, ...],
    steps: int | None,
    freeze: str,
    seed: int,
    out: Path | None,
    accelerator: str,
    devices: int,
    as_json: bool,
) -> None:
    """Teaches a model what was corrected, and tells whether it is better for it.

    HARVEST is a folder that `harvest` made. Some of its slides are held out; the model from before and the new one are
    measured on them and on --test. The new one is registered as NAME either way, and becomes the default model only
    if it is better. Interrupted, the same command goes on where it was. Needs the extra `learn`: pip install
    'cerberus-annotate[learn]'.

    \b
    cerberus-annotate finetune harvest --name lab-v2
    cerberus-annotate finetune harvest --name lab-v2 --replay data/consep --test data/monuseg
    cerberus-annotate project.qpproj --model lab-v2

    Exit code 0: done, better or not; 2: wrong usage, or a harvest or model that cannot be used.
    """
    from cerberus_annotate.learn.training import require_learning_libraries

    require_learning_libraries()
    from cerberus_annotate.cli.progress import TrainingProgress
    from cerberus_annotate.learn.finetuning.report import Outcome
    from cerberus_annotate.learn.finetuning.run import FinetuneOptions, finetune, is_first_process
    from cerberus_annotate.network.registry import check_new_name, default_model

    check_new_name(name)
    _refuse_contradictions(harvests)
    before = default_model()
    begun = parent or before
    _refuse_learnt_tests(replay, tests)
    further = _test_sets(tests, begun)
    folder = out or Path(f"finetune-{name}")
    options = FinetuneOptions(begun, replay, steps, freeze, seed, accelerator, devices)
    with TrainingProgress() as progress:
        done = finetune(harvests, name, folder, options, progress)
    if not is_first_process():
        return
    held_out = {"held out": done.held_out.images} if len(done.held_out.images) else {}
    verdict = _verdict(done, {**held_out, **further}, accelerator, as_json)
    line = shlex.join(["cerberus-annotate", *sys.argv[1:]])
    outcome = Outcome(name, line, done, verdict, before)
    _register(outcome, harvests, seed, folder)
    if as_json:
        click.echo(json.dumps(outcome.as_json(), ensure_ascii=False))
    else:
        _print(outcome, folder)


def _verdict(done: "Finetuned", sets: "Mapping[str, Sequence[LabelledImage]]", device: str, quiet: bool) -> "Verdict":
    """What the gate says of the new model on all sets of images."""
    from cerberus_annotate.cli.progress import ScoringProgress
    from cerberus_annotate.learn.finetuning.gate import judge, measure
    from cerberus_annotate.network import load_model

    sizes = {name: len(images) for name, images in sets.items()}
    before = dict(zip(sizes, [0, *accumulate(sizes.values())], strict=False))
    scores = []
    for title, weights in (("parent", done.parent), ("new model", str(done.weights))):
        with ScoringProgress(quiet, sum(sizes.values()), title) as bar:
            model = load_model(weights, device)
            scores.append(measure(model, sets, "auto", lambda name, at, image: bar(before[name] + at, image)))
    return judge(*scores)


def _register(outcome: "Outcome", harvests: Sequence[Path], seed: int, folder: Path) -> None:
    """Writes the report and registers the model, as the default where it is better than that."""
    from cerberus_annotate.files import write_whole
    from cerberus_annotate.learn.finetuning.report import report_markdown
    from cerberus_annotate.network.registry import register_model, use_model

    report = report_markdown(outcome)
    content = json.dumps(outcome.as_json(), ensure_ascii=False, indent=1)
    write_whole(folder / "report.md", report.encode(), "The report")
    write_whole(folder / "report.json", content.encode(), "The report's figures")
    register_model(outcome.finetuned.weights, outcome.name, _lineage(outcome, harvests, seed), report)
    if outcome.becomes_default:
        use_model(outcome.name)


def _lineage(outcome: "Outcome", harvests: Sequence[Path], seed: int) -> "Lineage":
    from datetime import UTC, datetime

    from cerberus_annotate.network.lineage import Lineage

    return Lineage(
        parent=outcome.finetuned.parent,
        parent_sha256=outcome.finetuned.parent_sha256,
        harvests=tuple(_learnt(folder) for folder in harvests),
        figures=tuple(outcome.figures()),
        better=outcome.verdict.better,
        reason=outcome.verdict.reason,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        seed=seed,
        command=outcome.command,
    )


def _learnt(folder: Path) -> "HarvestLearnt":
    """What a harvest holds; of labelled data that are no harvest, how many images."""
    from cerberus_annotate.harvest.folder import STATE, read_harvest
    from cerberus_annotate.harvest.summary import summarise
    from cerberus_annotate.learn.data.layouts import read_data_set
    from cerberus_annotate.network.checkpoint import sha256_of
    from cerberus_annotate.network.lineage import HarvestLearnt

    harvest = read_harvest(folder) if (folder / STATE).is_file() else None
    if harvest is None:
        data = read_data_set(folder)
        return HarvestLearnt(folder.name, data.name, len(data.entries), 0, 0, "")
    found = summarise(harvest)
    objects = sum(found.objects.values())
    print_of = sha256_of(folder / STATE)
    return HarvestLearnt(folder.name, harvest.project_name, found.images, found.regions, objects, print_of)


def _print(outcome: "Outcome", folder: Path) -> None:
    from cerberus_annotate.cli.evaluate import print_tables
    from cerberus_annotate.learn.finetuning.report import INTERVALS, gate_tables

    done, verdict = outcome.finetuned, outcome.verdict
    if verdict.rows:
        print_tables(gate_tables(verdict.rows), f"{outcome.name}, learnt from {done.parent}")
        click.echo(INTERVALS)
    for note in done.notes:
        click.echo(f"Note: {note}", err=True)
    click.echo(verdict.reason)
    if outcome.becomes_default:
        click.echo(f"Registered as '{outcome.name}', and the default model from now on. Report: {folder / 'report.md'}")
        return
    if verdict.better:
        click.echo(f"It was not compared with the default model, {outcome.default_before}.")
    click.echo(
        f"Registered as '{outcome.name}', but not made the default; `models use {outcome.name}` does. "
        f"Report: {folder / 'report.md'}"
    )


def _refuse_learnt_tests(replay: Sequence[Path], tests: Sequence[Path]) -> None:
    """Raises UsageError where a model would be measured on what it learns."""
    from cerberus_annotate.errors import UsageError
    from cerberus_annotate.learn.data.layouts import read_data_set

    for folder in tests:
        if folder.resolve() in {one.resolve() for one in replay}:
            splits = {entry.split for entry in read_data_set(folder).entries}
            if not {"train", "test"} <= splits:
                raise UsageError(
                    f"{folder} is given to --replay and to --test and has no splits `train` and `test`: the model "
                    "would be measured on what it learns. Give other data to one of them."
                )


def _refuse_contradictions(harvests: Sequence[Path]) -> None:
    """Raises UsageError where two harvests, or two images of one, label a place differently."""
    from cerberus_annotate.errors import UsageError
    from cerberus_annotate.harvest.contradictions import contradictions
    from cerberus_annotate.harvest.folder import STATE, read_harvest

    read = {folder: read_harvest(folder) for folder in harvests if (folder / STATE).is_file()}
    found = contradictions({folder: harvest for folder, harvest in read.items() if harvest is not None})
    if found:
        rest = len(found) - CONTRADICTIONS
        more = [f"And {rest} more such places."] if rest > 0 else []
        raise UsageError(
            " ".join(["Nothing was learnt: one place teaches two things.", *found[:CONTRADICTIONS], *more])
        )


def _title(folder: Path, folders: Sequence[Path]) -> str:
    """What a test set is called: its folder's name, or all of its path where two have the same name."""
    name = folder.resolve().name
    return name if sum(other.resolve().name == name for other in folders) == 1 else str(folder)


def _test_sets(folders: Sequence[Path], model_name: str) -> "dict[str, Sequence[LabelledImage]]":
    """The split `test` of each data set, else all of it, read when asked for.

    Raises UsageError where there is no image, or the model has no head for what the first one has labels of.
    """
    from cerberus_annotate.errors import UsageError
    from cerberus_annotate.learn.data.layouts import read_data_set
    from cerberus_annotate.learn.evaluation.prediction import scorable_tasks
    from cerberus_annotate.learn.training.sources import LazyImages
    from cerberus_annotate.network import load_model

    found: dict[str, Sequence[LabelledImage]] = {}
    model = load_model(model_name) if folders else None
    for folder in folders:
        entries = read_data_set(folder).entries
        chosen = [entry for entry in entries if entry.split == "test"] or list(entries)
        if not chosen:
            raise UsageError(f"{folder} has no image to measure on; leave it out of --test.")
        if model is not None and not scorable_tasks(chosen[0].read(), model):
            raise UsageError(f"{model_name} has no head for what {folder} has labels of; leave it out of --test.")
        found[_title(folder, folders)] = LazyImages(chosen)
    return found
