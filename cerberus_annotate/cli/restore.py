"""`restore`: an image's data as before the last run."""

import json
from dataclasses import asdict
from pathlib import Path

import click

from cerberus_annotate.cli.arguments import engine_option, json_option, project_argument


@click.command(name="restore", short_help="Put back the data from before the last run.")
@project_argument
@click.option("--image", "images", multiple=True, metavar="GLOB", help="Only these images; may be repeated.")
@click.option(
    "--force", is_flag=True, help="Also images that were changed after the run; the present file is kept aside."
)
@engine_option
@json_option
@click.pass_context
def command(
    ctx: click.Context, project: Path, images: tuple[str, ...], force: bool, engine: str, as_json: bool
) -> None:
    """Puts back the data of PROJECT's images as they were before the last run that changed them.

    Close the project in QuPath first. An image that was changed after the run is left as it is without --force; the
    file that is replaced is kept in cerberus/backups in the project's folder.

    \b
    cerberus-annotate restore project.qpproj
    cerberus-annotate restore project.qpproj --image 'case 7*'
    """
    from cerberus_annotate.annotate.undo import restore
    from cerberus_annotate.qupath import open_project

    done = restore(open_project(project, engine), images, force)
    exit_code = int(any(image.failed for image in done))
    if as_json:
        content = {"images": [asdict(image) for image in done], "exit_code": exit_code}
        click.echo(json.dumps(content, ensure_ascii=False))
    else:
        if not done:
            click.echo("There is no backup; no run of ours has changed these images.")
        for image in done:
            told = image.reason or "put back as before the last run"
            click.echo(f"{image.name}: {told}", err=image.failed)
    ctx.exit(exit_code)
