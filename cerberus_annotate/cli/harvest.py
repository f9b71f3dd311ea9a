"""`harvest`: what was corrected in a project, as training data."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cerberus_annotate.cli.arguments import (
    FILE,
    Names,
    engine_option,
    json_option,
    mpp_option,
    project_argument,
    slides_dir_option,
)

if TYPE_CHECKING:
    from cerberus_annotate.annotate.classes import ClassTable
    from cerberus_annotate.harvest.run import Outcome
    from cerberus_annotate.harvest.summary import Summary

WIDE = 200  # characters


@click.command(name="harvest", short_help="Collect what was corrected in QuPath as training data.")
@project_argument
@click.option("-o", "--out", type=FILE, required=True, metavar="DIR", help="New folder, or a former harvest.")
@click.option(
    "--reviewed",
    type=click.Choice(["marked", "edited", "all"]),
    default="marked",
    show_default=True,
    help="marked: annotations of class Reviewed, and images whose metadata have cerberus.reviewed. edited: around "
    "objects that were changed. all: whole images.",
)
@click.option(
    "--tasks",
    type=Names(),
    help="Of nuclei, gland, lumen, with commas: those that were reviewed. [default: as metadata say, else all "
    "that the image has]",
)
@click.option("--classes", type=FILE, metavar="MAPPING.toml", help="Your lab's names for our classes.")
@click.option(
    "--patient-pattern",
    metavar="REGEX",
    help="Finds the patient in an image's name, such as '^(P[0-9]+)'; a patient is on one side of the split.",
)
@click.option(
    "--format",
    "formats",
    type=click.Choice(["png", "coco", "geojson", "conic"]),
    multiple=True,
    help="Also write this format; may be repeated. png is what every harvest has.",
)
@mpp_option
@slides_dir_option
@engine_option
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    project: Path,
    out: Path,
    classes: Path | None,
    formats: tuple[str, ...],
    engine: str,
    as_json: bool,
    **choices: Any,
) -> None:
    """Collects what was reviewed and corrected in a QuPath project, as patches with labels.

    PROJECT is the .qpproj file or its folder; it is only read. The same command again brings DIR up to date.

    \b
    cerberus-annotate harvest project.qpproj -o harvest
    cerberus-annotate harvest project.qpproj -o harvest --tasks nuclei --format coco

    Exit code 0: all done; 1: some images failed, or nothing was reviewed; 2: wrong usage or unusable project.
    """
    from cerberus_annotate.cli.progress import with_bar
    from cerberus_annotate.harvest.formats import write_format
    from cerberus_annotate.harvest.options import HarvestOptions
    from cerberus_annotate.harvest.run import harvest
    from cerberus_annotate.harvest.summary import summarise
    from cerberus_annotate.qupath import open_project

    options = HarvestOptions(
        reviewed=choices["reviewed"],
        tasks=choices["tasks"] or (),
        classes=_class_table(classes),
        patient_pattern=choices["patient_pattern"],
        mpp=choices["mpp"],
        slides_dirs=choices["slides_dir"],
    )
    outcome = with_bar(lambda progress: harvest(open_project(project, engine), out, options, progress))
    summary = summarise(outcome.harvest)
    written = [write_format(name, out, outcome.harvest) for name in formats if summary.images]
    if as_json:
        told = {"images": summary.images, "regions": summary.regions, "objects": dict(summary.objects), "out": str(out)}
        click.echo(json.dumps(told, ensure_ascii=False))
    else:
        _print(outcome, summary, out, written)
    for note in outcome.notes:
        click.echo(f"Note: {note}", err=True)
    for sentence in outcome.failed.values():
        click.echo(sentence, err=True)
    if not summary.images and not outcome.failed:
        click.echo(
            "Nothing was harvested: no image has a reviewed region. In QuPath, give an annotation around what you "
            "have looked at the class Reviewed and save; or see --reviewed.",
            err=True,
        )
    ctx.exit(1 if outcome.failed or not summary.images else 0)


def _class_table(path: Path | None) -> "ClassTable":
    from cerberus_annotate.annotate.classes import ClassTable, known_classes, read_classes
    from cerberus_annotate.network.config import lean_config, official_config, output_classes

    if path is None:
        return ClassTable()
    return read_classes(path, known_classes(output_classes(official_config()), output_classes(lean_config())))


def _print(outcome: "Outcome", summary: "Summary", out: Path, written: list[Path]) -> None:
    changes = outcome.changes
    click.echo(
        f"{summary.images} image{'s' * (summary.images != 1)}, {summary.regions} region{'s' * (summary.regions != 1)}, "
        f"{summary.patches} patch{'es' * (summary.patches != 1)} in {out}: {changes.added} added, "
        f"{changes.replaced} replaced, {changes.unchanged} unchanged, {changes.removed} removed."
    )
    if not summary.images:
        return
    _print_table(summary)
    for model, rate in summary.acceptance.items():
        click.echo(f"{rate:.1%} of the reviewed predictions of {model} stand as they were predicted.")
    for path in dict.fromkeys(written):
        click.echo(f"Also written: {path}")


def _print_table(summary: "Summary") -> None:
    from rich.console import Console
    from rich.table import Column, Table

    verdicts = list(summary.objects)
    table = Table(Column("", overflow="fold"), *(Column(name, justify="right") for name in verdicts), box=None)
    for title, named in (("class", summary.classes), ("slide", summary.slides), ("model", summary.models)):
        for name, counts in named.items():
            table.add_row(f"{title} {name}", *(f"{counts[verdict]:,}" for verdict in verdicts))
    table.add_row("all objects", *(f"{summary.objects[verdict]:,}" for verdict in verdicts))
    # in a file or pipe nobody wants the 80 columns of a terminal
    Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else WIDE).print(table)
