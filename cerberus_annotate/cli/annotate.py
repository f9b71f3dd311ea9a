"""`annotate`: pre-label the images of a project."""

import json
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cerberus_annotate.cli.arguments import (
    FILE,
    Names,
    device_option,
    engine_option,
    json_option,
    model_option,
    mpp_option,
    precision_option,
    project_argument,
    slides_dir_option,
)

if TYPE_CHECKING:
    from cerberus_annotate.annotate.options import Options
    from cerberus_annotate.annotate.plan import Plan
    from cerberus_annotate.annotate.run import RunSummary

logger = logging.getLogger(__name__)

WIDE = 200  # characters
CLUSTER_LOST = 3


@click.command(name="annotate", short_help="Pre-label the images of a project (the default command).")
@project_argument
@model_option
@click.option("--tasks", type=Names(), help="Of nuclei, gland, lumen, tissue, with commas. [default: all of the model]")
@click.option("--write-tissue", is_flag=True, help="Also write the outline of the tissue, class Tissue.")
@click.option("--min-confidence", type=click.FloatRange(0, 1), default=0.0, help="Leave out objects below it, 0 to 1.")
@click.option(
    "--regions",
    default="auto",
    show_default=True,
    metavar="auto|tissue|whole|class:NAME|FILE.geojson",
    help="Where to look. auto: inside annotations of class Region* where an image has any, else the tissue. A file "
    "holds areas in full-resolution pixels.",
)
@click.option("--images", multiple=True, metavar="GLOB", help="Only images whose name fits; may be repeated.")
@click.option(
    "--nuclei-as",
    type=click.Choice(["annotations", "detections"]),
    help="[default: annotations; detections in an image with more than 20,000 nuclei]",
)
@click.option("--classes", type=FILE, metavar="MAPPING.toml", help="Your lab's class names and colours for ours.")
@mpp_option
@click.option("--any-stain", is_flag=True, help="Also images whose type in QuPath is not H&E.")
@device_option
@precision_option
@click.option("--batch-size", type=click.IntRange(1), help="Tiles at a time. [default: by memory]")
@click.option(
    "--geometry",
    type=click.Choice(["auto", "reference"]),
    default="auto",
    show_default=True,
    help="reference: the 448 px patches of the original code, slower.",
)
@click.option(
    "--cluster",
    metavar="SCHEDULER_ADDRESS",
    help="Compute on the workers of this Dask scheduler, such as tcp://host:8786; they need the slides, at the same "
    "paths.",
)
@engine_option
@click.option("--geojson-dir", type=FILE, help="Also write the objects there, one .geojson an image.")
@slides_dir_option
@click.option("--dry-run", is_flag=True, help="Tell what would run, tiles, expected time and size; change nothing.")
@json_option
@click.option("-v", "--verbose", count=True, help="Say more; -vv with the place in the code of every failure.")
@click.option("-q", "--quiet", is_flag=True, help="No progress and no summary.")
@click.pass_context
def command(
    ctx: click.Context,
    project: Path,
    model_name: str | None,
    device: str,
    engine: str,
    batch_size: int | None,
    cluster: str | None,
    classes: Path | None,
    dry_run: bool,
    as_json: bool,
    verbose: int,
    quiet: bool,
    **choices: Any,
) -> None:
    """Pre-labels the images of a QuPath project with editable objects.

    PROJECT is the .qpproj file or its folder. Close the project in QuPath while this runs.

    \b
    cerberus-annotate project.qpproj
    cerberus-annotate project.qpproj --tasks nuclei --images '*biopsy*'
    cerberus-annotate project.qpproj --regions class:Tumor --mpp 0.25
    cerberus-annotate project.qpproj --dry-run

    Running it again keeps everything that you drew, changed, locked or deleted. Exit code 0: all done; 1: some
    images failed, which are listed at the end; 2: wrong usage or unusable project; 3: the cluster was lost, and the
    same command goes on.
    """
    from cerberus_annotate.annotate.plan import plan
    from cerberus_annotate.annotate.run import run
    from cerberus_annotate.cli.predictor import computing, load_expectation, load_predictor
    from cerberus_annotate.cli.progress import RichProgress
    from cerberus_annotate.errors import ClusterError
    from cerberus_annotate.qupath import open_project

    _set_up_logging(verbose)
    opened = open_project(project, engine)
    how = (model_name, device, choices["precision"], batch_size, choices["geometry"])
    if dry_run:
        model, _ = load_predictor(*how)
        options = _options(model, classes, choices)
        planned = plan(opened, model, options, load_expectation(model, options.precision, options.geometry))
        _print_plan(planned, model, as_json)
        ctx.exit(planned.exit_code)
    try:
        with computing(cluster, *how) as (model, predict, ahead):
            options = _options(model, classes, choices)
            logger.info("model %s (sha256 %s) on %s", model.name, model.sha256[:12], cluster or model.device)
            with RichProgress(quiet or (as_json and not verbose)) as progress:
                summary = run(opened, model, options, predict, progress, ahead)
    except ClusterError as error:
        click.echo(f"Error: {error}", err=True)
        ctx.exit(CLUSTER_LOST)
    if as_json:
        click.echo(json.dumps(summary_json(summary), ensure_ascii=False))
    elif not quiet:
        _print_summary(summary)
    for record in summary.images.values():
        for note in record.notes:
            click.echo(f"Note: {note}", err=True)
    _print_failures(summary)
    ctx.exit(summary.exit_code)


def summary_json(summary: "RunSummary") -> dict[str, Any]:
    """The `--json` object of a run."""
    return {
        "run": summary.run.id,
        "model": {"name": summary.run.model, "sha256": summary.run.sha256},
        "resumed": summary.resumed,
        "images": [
            {
                "name": record.name,
                "id": image_id,
                "status": record.status,
                "reason": record.reason,
                "objects": dict(record.objects),
                "added": record.added,
                "removed": record.removed,
                "kept": record.kept,
                "notes": list(record.notes),
                "seconds": record.seconds,
            }
            for image_id, record in summary.images.items()
        ],
        "objects": summary.objects,
        "exit_code": summary.exit_code,
    }


def plan_json(planned: "Plan", model: Any) -> dict[str, Any]:
    """The `--dry-run --json` object."""
    from dataclasses import asdict

    return {
        "dry_run": True,
        "model": {"name": model.name, "sha256": model.sha256},
        "tasks": list(planned.tasks),
        "images": [asdict(image) for image in planned.images],
        "exit_code": planned.exit_code,
    }


def _options(model: Any, classes: Path | None, choices: dict[str, Any]) -> "Options":
    """The options of the run from those of the command line."""
    from cerberus_annotate.annotate.classes import ClassTable, known_classes, read_classes
    from cerberus_annotate.annotate.options import Options
    from cerberus_annotate.network.config import lean_config, official_config, output_classes

    table = ClassTable()
    if classes is not None:
        outputs = (output_classes(official_config()), output_classes(lean_config()), model.classes)
        table = read_classes(classes, known_classes(*outputs))
    tasks = choices.pop("tasks") or ()
    return Options(tasks=tasks, classes=table, slides_dirs=choices.pop("slides_dir"), **choices)


def _set_up_logging(verbose: int) -> None:
    level = {0: logging.WARNING, 1: logging.INFO}.get(verbose, logging.DEBUG)
    logging.basicConfig(format="%(message)s")
    logging.getLogger("cerberus_annotate").setLevel(level)


def _print_plan(planned: "Plan", model: Any, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(plan_json(planned, model), ensure_ascii=False))
        return
    from rich.console import Console
    from rich.table import Column, Table

    columns = ("size in px", "µm/px", "regions", "mm²", "tiles", "about", "MB")
    table = Table(Column("image", overflow="fold"), *columns, box=None)
    for image in planned.images:
        if image.refusal or image.mpp is None:
            table.add_row(image.name, "", "", "will not be done", "", "", "", "")
            continue
        table.add_row(
            image.name,
            f"{image.width} x {image.height}",
            f"{image.mpp[0]:.4g} ({image.mpp_from})",
            image.regions,
            f"{image.area_mm2:.2f}",
            str(image.tiles),
            _duration(image.seconds),
            f"{image.megabytes:.1f}",
        )
    # in a file or pipe nobody wants the 80 columns of a terminal
    width = None if sys.stdout.isatty() else WIDE
    Console(highlight=False, width=width).print(table)
    for image in planned.images:
        if image.refusal:
            click.echo(f"{image.name}: {image.refusal}", err=True)
    seconds = sum(image.seconds for image in planned.images)
    click.echo(f"{model.name} on {model.device}: {', '.join(planned.tasks)}; about {_duration(seconds)} in all.")


def _duration(seconds: float) -> str:
    return (
        f"{seconds:.0f} s"
        if seconds < 120
        else f"{seconds / 60:.0f} min"
        if seconds < 7200
        else f"{seconds / 3600:.1f} h"
    )


def _print_summary(summary: "RunSummary") -> None:
    states = [record.status for record in summary.images.values()]
    counted = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
    click.echo(f"Run {summary.run.id}: {len(states)} image{'s' * (len(states) != 1)}, {counted}.")
    for name, count in summary.objects.items():
        click.echo(f"  {count:>9,}  {name}")
    kept = sum(record.kept for record in summary.images.values())
    if kept:
        click.echo(f"{kept:,} objects that you changed were kept as they are.")


def _print_failures(summary: "RunSummary") -> None:
    failed = [record for record in summary.images.values() if record.status in ("failed", "refused")]
    if failed:
        click.echo(f"{len(failed)} of {len(summary.images)} images could not be done:", err=True)
    for record in failed:
        click.echo(f"  {record.name}: {record.reason}", err=True)
