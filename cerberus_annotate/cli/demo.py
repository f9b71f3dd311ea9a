"""`demo`: a first look on a real picture."""

import json
from pathlib import Path

import click

from cerberus_annotate.cli.arguments import FILE, device_option, json_option, model_option, mpp_option


@click.command(name="demo", short_help="A first look: a small project, pre-labelled, with a picture of it.")
@click.argument("folder", type=FILE, default=Path("demo"))
@click.option("--slide", type=FILE, help="A slide of yours instead of the picture that comes with the program.")
@model_option
@mpp_option
@device_option
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    folder: Path,
    slide: Path | None,
    model_name: str | None,
    mpp: tuple[float, float] | None,
    device: str,
    as_json: bool,
) -> None:
    """Makes a project in FOLDER (default: demo), pre-labels it and draws an overlay.

    The picture is scikit-image's colon tissue. It was stained with haematoxylin and DAB; its DAB is recoloured as
    eosin here, so it only resembles an H&E slide. Nothing is downloaded.

    \b
    cerberus-annotate demo
    cerberus-annotate demo --slide slide.svs first-look
    """
    from cerberus_annotate.annotate.adding import add_slide, describe_slide
    from cerberus_annotate.annotate.opening import open_image
    from cerberus_annotate.annotate.options import Options
    from cerberus_annotate.annotate.overlay import write_overlay
    from cerberus_annotate.annotate.run import run
    from cerberus_annotate.cli.annotate import summary_json
    from cerberus_annotate.cli.predictor import load_predictor
    from cerberus_annotate.cli.progress import RichProgress
    from cerberus_annotate.qupath import create_project

    if slide is None:
        from cerberus_annotate.slide.demo_slide import write_demo_slide

        project = create_project(folder)
        slide = project.folder / "colon.tif"
        if not slide.exists():
            write_demo_slide(slide)
        described = describe_slide(slide)
    else:
        # Before the project is made, so that an unreadable slide leaves none behind.
        described = describe_slide(slide, mpp)
        project = create_project(folder)
    added = add_slide(project, described)
    model, predict = load_predictor(model_name, device, "auto", None, "auto")
    options = Options(images=(added.name,), mpp=mpp)
    with RichProgress(as_json) as progress:
        summary = run(project, model, options, predict, progress)
    if summary.exit_code:
        if as_json:
            click.echo(json.dumps({**summary_json(summary), "project": str(project.path)}, ensure_ascii=False))
        click.echo(f"Error: {summary.images[added.id].reason}", err=True)
        ctx.exit(summary.exit_code)
    image = next(image for image in project.images if image.id == added.id)
    overlay = project.folder / "overlay.png"
    with open_image(project, image, options) as opened:
        write_overlay(opened, image.read_objects(), overlay)
    if as_json:
        content = {**summary_json(summary), "project": str(project.path), "overlay": str(overlay)}
        click.echo(json.dumps(content, ensure_ascii=False))
        ctx.exit(summary.exit_code)
    for name, count in summary.objects.items():
        click.echo(f"  {count:>6,}  {name}")
    click.echo(f"Look at {overlay}, or open {project.path} in QuPath: all outlines can be edited there.")
    click.echo(f"After your edits run it again, nothing of yours is touched: cerberus-annotate {project.path}")
