"""`runs`: what ran over a project, taking a run out, and writing again what QuPath saved over."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cerberus_annotate.cli.arguments import engine_option, json_option, project_argument

if TYPE_CHECKING:
    from cerberus_annotate.annotate.rewriting import Rewritten
    from cerberus_annotate.annotate.undo import Undone


@click.group(name="runs", short_help="List the runs of a project, remove one, or write it again.")
def command() -> None:
    """The runs of a project.

    \b
    cerberus-annotate runs list project.qpproj
    cerberus-annotate runs remove project.qpproj 20240131-101500-9f3a
    cerberus-annotate runs rewrite project.qpproj 20240131-101500-9f3a
    """


@command.command(name="list")
@project_argument
@engine_option
@json_option
def list_runs(project: Path, engine: str, as_json: bool) -> None:
    """Lists the runs of PROJECT, oldest first.

    \b
    cerberus-annotate runs list project.qpproj
    """
    from cerberus_annotate.annotate.commit import work_folder
    from cerberus_annotate.feedback.runs import read_runs
    from cerberus_annotate.qupath import open_project

    runs = read_runs(work_folder(open_project(project, engine)))
    if as_json:
        click.echo(json.dumps({"runs": [asdict(run) for run in runs]}, ensure_ascii=False))
        return
    if not runs:
        click.echo("No run of ours has been over this project.")
    for run in runs:
        objects = sum(sum(record.objects.values()) for record in run.images.values())
        done = sum(record.status == "done" for record in run.images.values())
        state = "cut off; the same command goes on" if run.state == "running" else run.state
        click.echo(
            f"{run.id}  {run.started}  {run.model}  {', '.join(run.parameters.get('tasks', []))}  "
            f"regions {run.regions}  "
            f"{done} of {len(run.images)} images done, {objects:,} objects  ({state})"
        )


@command.command(name="remove")
@project_argument
@click.argument("run_id", metavar="RUN")
@engine_option
@json_option
@click.pass_context
def remove(ctx: click.Context, project: Path, run_id: str, engine: str, as_json: bool) -> None:
    """Takes the objects of RUN out of PROJECT again; those that you changed stay.

    \b
    cerberus-annotate runs remove project.qpproj 20240131-101500-9f3a
    """
    from cerberus_annotate.annotate.undo import remove_run
    from cerberus_annotate.qupath import open_project

    done = remove_run(open_project(project, engine), run_id)
    kept = [f", {image.kept:,} kept because you changed them" if image.kept else "" for image in done]
    told = [f"{image.removed:,} objects removed{more}" for image, more in zip(done, kept, strict=True)]
    _tell(ctx, run_id, done, told, f"Run {run_id} has nothing in this project any more.", as_json)


@command.command(name="rewrite")
@project_argument
@click.argument("run_id", metavar="RUN")
@engine_option
@json_option
@click.pass_context
def rewrite(ctx: click.Context, project: Path, run_id: str, engine: str, as_json: bool) -> None:
    """Writes the objects of RUN again into the images in which QuPath saved over them.

    QuPath keeps an open image in memory: when an image was open there during a run, the next save puts the older data
    back. `doctor` and the next run tell of it. Close the project in QuPath first. The objects come from the run's own
    records; neither slides nor the network are needed. What you drew, changed or deleted stays as it is, and objects
    that you deleted after QuPath had read them do not come back.

    \b
    cerberus-annotate runs rewrite project.qpproj 20240131-101500-9f3a
    """
    from cerberus_annotate.annotate.rewriting import rewrite_run
    from cerberus_annotate.qupath import open_project

    done = rewrite_run(open_project(project, engine), run_id)
    left = [
        f", {image.left_out:,} left out because something else stands there" if image.left_out else "" for image in done
    ]
    told = [f"{image.written:,} objects written again{more}" for image, more in zip(done, left, strict=True)]
    _tell(ctx, run_id, done, told, f"QuPath has saved over nothing of run {run_id}.", as_json)


def _tell(
    ctx: click.Context,
    run_id: str,
    done: "Sequence[Undone | Rewritten]",
    told: Sequence[str],
    nothing: str,
    as_json: bool,
) -> None:
    """What became of each image, and the exit status. told: of those that are well. nothing: where there are none."""
    exit_code = int(any(image.failed for image in done))
    if as_json:
        content = {"run": run_id, "images": [asdict(image) for image in done], "exit_code": exit_code}
        click.echo(json.dumps(content, ensure_ascii=False))
    else:
        if not done:
            click.echo(nothing)
        for image, line in zip(done, told, strict=True):
            click.echo(f"{image.name}: {image.reason or line}", err=image.failed)
    ctx.exit(exit_code)
