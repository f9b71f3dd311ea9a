"""`report`: a project as one HTML file."""

import json
from pathlib import Path

import click

from cerberus_annotate.cli.arguments import (
    FILE,
    engine_option,
    json_option,
    mpp_option,
    project_argument,
    slides_dir_option,
)


@click.command(name="report", short_help="Write a project's slides, counts and corrections as one HTML file.")
@project_argument
@click.option(
    "-o", "--out", type=FILE, default="report.html", metavar="FILE", show_default=True, help="The file to write."
)
@click.option("--images", multiple=True, metavar="GLOB", help="Only images whose name fits; may be repeated.")
@mpp_option
@slides_dir_option
@engine_option
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    project: Path,
    out: Path,
    images: tuple[str, ...],
    mpp: tuple[float, float] | None,
    slides_dir: tuple[Path, ...],
    engine: str,
    as_json: bool,
) -> None:
    """Writes one HTML file that needs no other: thumbnails with outlines, counts and densities by class, what was
    corrected with pictures, how much of each model's predictions was accepted, and how models got better.

    PROJECT is the .qpproj file or its folder; it is only read. Corrections are those in regions marked as reviewed.

    \b
    cerberus-annotate report project.qpproj
    cerberus-annotate report project.qpproj -o june.html --images 'TCGA-*'

    Exit code 0: written; 1: written, but some images could not be read, which it lists; 2: wrong usage.
    """
    from cerberus_annotate.annotate.options import Options
    from cerberus_annotate.cli.progress import with_bar
    from cerberus_annotate.errors import UsageError
    from cerberus_annotate.qupath import open_project
    from cerberus_annotate.report.gathering.project import gather
    from cerberus_annotate.report.project_page import write_report

    if out.suffix.lower() not in (".html", ".htm") or out.is_dir():
        raise UsageError(f"The report is an HTML file; give -o a name that ends with .html, not '{out}'.")
    opened = open_project(project, engine)
    options = Options(images=images, mpp=mpp, slides_dirs=slides_dir)
    facts = with_bar(lambda progress: gather(opened, options, progress))
    write_report(facts, out)
    failed = [slide for slide in facts.slides if slide.thumbnail is None]
    objects = sum(one.count for one in facts.classes)
    if as_json:
        counts = {"images": len(facts.slides), "objects": objects, "differences": facts.differences}
        click.echo(json.dumps({**counts, "failed": [slide.name for slide in failed], "out": str(out)}))
    else:
        click.echo(f"Written to {out}: {len(facts.slides):,} images, {objects:,} objects.")
    for slide in failed:
        click.echo(" ".join(slide.warnings), err=True)
    ctx.exit(1 if failed else 0)
