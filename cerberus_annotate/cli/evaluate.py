"""`evaluate`: how good a model is on labelled images."""

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cerberus_annotate.cli.arguments import FILE, FOLDER, device_option, json_option, model_option, precision_option

if TYPE_CHECKING:
    from cerberus_annotate.learn.data.labelled_image import DataSet, Entry


@click.command(name="evaluate", short_help="Score a model on labelled images.")
@click.option("--data", "folder", type=FOLDER, required=True, help="A data set; `data check` tells how it is read.")
@model_option
@click.option("--split", metavar="NAME", help="Only images of this split. [default: all images]")
@click.option("--out", type=FILE, metavar="DIR", help="Write tables, plots and each image's figures there.")
@device_option
@precision_option
@json_option
def command(
    folder: Path,
    model_name: str | None,
    split: str | None,
    out: Path | None,
    device: str,
    precision: str,
    as_json: bool,
) -> None:
    """Scores a model on the labelled images of a data set, with 95 % intervals over images.

    \b
    cerberus-annotate evaluate --data data/consep --split test
    cerberus-annotate evaluate --data data/glas --split testA --model mine --out glas-report
    cerberus-annotate evaluate --data data/monuseg --split test --json

    What is scored is what the data set has labels for and the model has heads for. Predictions go the whole way to
    polygons, as for a slide, and are compared at the label's own resolution. PQ, AJI and Dice are means over images;
    object F1, Dice and Hausdorff distance of glands are pooled over images, as in the GlaS challenge.
    """
    from functools import partial

    from cerberus_annotate.cli.progress import ScoringProgress
    from cerberus_annotate.learn.data.layouts import read_data_set
    from cerberus_annotate.learn.evaluation.plots import check_drawing
    from cerberus_annotate.learn.evaluation.prediction import predict_labelled
    from cerberus_annotate.learn.evaluation.report import INTERVALS, Evaluation, write_report
    from cerberus_annotate.learn.evaluation.scoring import score
    from cerberus_annotate.learn.evaluation.tables import score_tables
    from cerberus_annotate.network import load_model
    from cerberus_annotate.network.registry import default_model
    from cerberus_annotate.predict.inference import choose_precision

    if out is not None:
        check_drawing()
    data = read_data_set(folder)
    entries = _entries(data, folder, split)
    model = load_model(model_name or default_model(), device)
    choose_precision(model.device, precision)
    with ScoringProgress(as_json, len(entries), data.name) as progress:
        scores = score(model, (entry.read() for entry in entries), precision, progress)
    options = [("--model", model_name), ("--split", split), ("--out", None if out is None else str(out))]
    options += [("--device", None if device == "auto" else device)]
    options += [("--precision", None if precision == "auto" else precision)]
    line = command_line(["evaluate"], [("--data", str(folder)), *options], as_json)
    evaluation = Evaluation(model.name, model.sha256, data.name, split, line, scores)
    if out is not None:
        by_name = {entry.name: entry for entry in reversed(entries)}
        predict = partial(predict_labelled, model=model, precision=precision)
        write_report(out, evaluation, lambda name: by_name[name].read(), predict)
    if as_json:
        click.echo(json.dumps(evaluation.as_json(), ensure_ascii=False))
        return
    print_tables(score_tables(scores), f"{model.name} on {data.name}{'' if split is None else f', {split}'}")
    click.echo(INTERVALS)
    if out is not None:
        click.echo(f"Written to {out}: report.md, scores.json, images.csv and plots.")


def _entries(data: "DataSet", folder: Path, split: str | None) -> list["Entry"]:
    """The entries of a split, or all. Raises UsageError where there is none."""
    from cerberus_annotate.errors import UsageError

    entries = [entry for entry in data.entries if split is None or entry.split == split]
    if not entries:
        splits = sorted({entry.split for entry in data.entries if entry.split})
        known = f"its splits are {', '.join(splits)}" if splits else "its images are in no split; leave --split out"
        raise UsageError(f"{folder} has no image of the split '{split}'; {known}." if split else f"{folder} is empty.")
    return entries


def command_line(words: list[str], options: list[tuple[str, str | None]], as_json: bool) -> str:
    """The command that gives this again, with the options that have a value."""
    given = [part for option, value in options if value is not None for part in (option, value)]
    return shlex.join(["cerberus-annotate", *words, *given, *(["--json"] if as_json else [])])


def print_tables(tables: list, heading: str) -> None:
    """The tables on stdout, as wide as they need to be where it is no terminal."""
    from rich.console import Console

    from cerberus_annotate.learn.evaluation.tables import as_rich

    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=200)
    console.print(heading, markup=False)
    for table in tables:
        console.print(as_rich(table))
