"""`create`: a project from slides."""

import json
from dataclasses import asdict
from pathlib import Path

import click

from cerberus_annotate.cli.arguments import FILE, json_option, mpp_option, project_argument


@click.command(name="create", short_help="Make a project from slides, or add slides to one.")
@project_argument
@click.argument("slides", nargs=-1, required=True, type=FILE, metavar="SLIDE...")
@mpp_option
@json_option
@click.pass_context
def command(
    ctx: click.Context, project: Path, slides: tuple[Path, ...], mpp: tuple[float, float] | None, as_json: bool
) -> None:
    """Makes a QuPath project from slides and plain images, or adds them to the one that is there.

    PROJECT is the .qpproj file or its folder; missing folders are made. A slide that is in the project already is
    not added twice. Images are entered as H&E.

    \b
    cerberus-annotate create study/project.qpproj slides/*.svs
    cerberus-annotate create study photo.png --mpp 0.5
    """
    from cerberus_annotate.annotate.adding import add_slide, describe_slide
    from cerberus_annotate.errors import SlideError
    from cerberus_annotate.qupath import create_project

    opened = None
    results, failed = [], []
    for path in slides:
        try:
            slide = describe_slide(path, mpp)
        except SlideError as error:
            failed.append({"slide": str(path), "reason": str(error)})
            click.echo(f"Error: {error}", err=True)
            continue
        # Only now, so that slides which all fail leave no empty project behind.
        opened = opened or create_project(project)
        added = add_slide(opened, slide)
        results.append({"slide": str(path), **asdict(added)})
        if as_json:
            continue
        size = "pixel size unknown (give --mpp)" if added.mpp is None else f"{added.mpp[0]:.4g} µm/px"
        said = "added" if added.is_new else "is in the project already"
        click.echo(f"{added.name}: {said}; {added.width} x {added.height} px, {size}")
    exit_code = int(bool(failed))
    if as_json:
        content = {
            "project": str(opened.path if opened else project),
            "images": results,
            "failed": failed,
            "exit_code": exit_code,
        }
        click.echo(json.dumps(content, ensure_ascii=False))
    elif opened is not None:
        click.echo(f"Next: cerberus-annotate {opened.path}")
    ctx.exit(exit_code)
