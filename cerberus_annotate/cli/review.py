"""`review`: where in a project a pathologist's minutes are spent best."""

import json
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
    from cerberus_annotate.report.review_page import ReviewPage
    from cerberus_annotate.review.run import Queue


@click.command(name="review", short_help="Propose the regions that are most worth reviewing.")
@project_argument
@click.option("--budget", type=click.IntRange(1), default=20, show_default=True, help="How many regions to propose.")
@click.option(
    "--size", type=click.FloatRange(32, 512), default=128.0, show_default=True, help="Side of a region in µm."
)
@model_option
@click.option("--images", multiple=True, metavar="GLOB", help="Only images whose name fits; may be repeated.")
@click.option(
    "--tasks", type=Names(), help="Of nuclei, gland, lumen, with commas: what you will review. [default: all]"
)
@click.option("-o", "--out", type=FILE, default="review.html", show_default=True, help="The page with pictures.")
@mpp_option
@click.option("--any-stain", is_flag=True, help="Also images whose type in QuPath is not H&E.")
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Of the sample of each slide.")
@device_option
@precision_option
@slides_dir_option
@engine_option
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    project: Path,
    out: Path,
    model_name: str | None,
    device: str,
    engine: str,
    as_json: bool,
    **choices: Any,
) -> None:
    """Finds the regions where a correction teaches the model most, and marks them in the project.

    PROJECT is the .qpproj file or its folder. Close the project in QuPath while this runs. The regions are annotations
    of class 'To review', the most useful first. When you have corrected what lies in one, set its class to 'Reviewed'
    and save: `harvest` then takes it. Running review again replaces the regions that nobody has touched.

    \b
    cerberus-annotate review project.qpproj
    cerberus-annotate review project.qpproj --budget 10 --tasks nuclei
    cerberus-annotate annotate project.qpproj --regions 'class:To review'

    Exit code 0: regions were proposed; 1: some images failed, or nothing is left to review; 2: wrong usage.
    """
    from cerberus_annotate.cli.predictor import load_predictor
    from cerberus_annotate.cli.progress import with_bar
    from cerberus_annotate.qupath import open_project
    from cerberus_annotate.report.review_page import write_review_page
    from cerberus_annotate.review.options import ReviewOptions
    from cerberus_annotate.review.run import review

    options = ReviewOptions(tasks=choices.pop("tasks") or (), slides_dirs=choices.pop("slides_dir"), **choices)
    opened = open_project(project, engine)
    model, _ = load_predictor(model_name, device, options.precision, None, "auto")
    queue = with_bar(lambda progress: review(opened, model, options, progress))
    write_review_page(_page_of(queue, opened.name, model.name), out)
    if as_json:
        click.echo(json.dumps(_as_json(queue, out), ensure_ascii=False))
    else:
        _print(queue, out)
    for sentence in queue.failed.values():
        click.echo(sentence, err=True)
    if not queue.regions and not queue.failed:
        click.echo("No region is left to review.", err=True)
    ctx.exit(1 if queue.failed or not queue.regions else 0)


def _page_of(queue: "Queue", project: str, model: str) -> "ReviewPage":
    from cerberus_annotate.report.review_page import ReviewedRow, ReviewPage

    rows = tuple(
        ReviewedRow(
            rank=region.rank,
            image=region.image,
            bounds=region.bounds,
            mpp=region.mpp,
            score=region.score,
            parts=region.parts,
            reason=region.reason,
            picture=region.picture,
        )
        for region in queue.regions
    )
    return ReviewPage(project, model, rows, _said(queue), tuple(queue.failed.values()))


def _as_json(queue: "Queue", out: Path) -> dict[str, Any]:
    """The `--json` object."""
    return {
        "regions": [
            {
                "rank": region.rank,
                "image": region.image,
                "bounds": list(region.bounds),
                "score": region.score,
                "reason": region.reason,
            }
            for region in queue.regions
        ],
        "candidates": queue.candidates,
        "out": str(out),
    }


def _said(queue: "Queue") -> tuple[str, ...]:
    """What was looked at, in sentences."""
    said = [
        f"{queue.candidates:,} of {queue.squares:,} squares in {queue.images:,} image{'s' * (queue.images != 1)} were "
        f"looked at."
    ]
    if queue.blurred or queue.empty:
        said.append(
            f"{queue.blurred:,} of them are out of focus and {queue.empty:,} hold next to no objects; they were set "
            "aside."
        )
    if queue.kept:
        said.append(
            f"{queue.kept:,} annotation{'s' * (queue.kept != 1)} of class To review that somebody drew or changed "
            f"stay{'s' * (queue.kept == 1)}."
        )
    return tuple(said)


def _print(queue: "Queue", out: Path) -> None:
    for region in queue.regions:
        x, y = ((region.bounds[at] + region.bounds[at + 2]) / 2 * region.mpp[at] for at in (0, 1))
        click.echo(f"To review {region.rank}: {region.image}, at {x:,.0f}, {y:,.0f} µm ({region.reason})")
    for sentence in _said(queue):
        click.echo(sentence)
    click.echo(f"Pictures: {out}")
