"""`import`: objects of GeoJSON files into a project."""

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cerberus_annotate.cli.arguments import FILE, engine_option, json_option, project_argument, slides_dir_option

if TYPE_CHECKING:
    from cerberus_annotate.annotate.importing import Imported


@click.command(name="import", short_help="Put the objects of GeoJSON files into a project's images.")
@project_argument
@click.argument("files", nargs=-1, required=True, type=FILE, metavar="FILE...")
@click.option(
    "--image", "pattern", metavar="GLOB", help="The image that all files are for. [default: the one called as the file]"
)
@click.option(
    "--replace",
    is_flag=True,
    help="Objects that are in the image with the same id, but different, become as in the file; locked ones stay.",
)
@slides_dir_option
@engine_option
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    project: Path,
    files: tuple[Path, ...],
    pattern: str | None,
    replace: bool,
    slides_dir: tuple[Path, ...],
    engine: str,
    as_json: bool,
) -> None:
    """Adds the objects of GeoJSON files to the images of PROJECT: what `export` and QuPath write, and other tools'
    files whose coordinates are pixels of the full-size image. A FILE may be a folder of them, and compressed.

    What is in the image stays as it is. The same file again adds nothing: objects are known by their ids, and those
    without get ids that follow from their content. A file with an object outside of its image is refused as a whole.
    Close the project in QuPath first; `restore` puts back the data from before.

    \b
    cerberus-annotate import project.qpproj objects/
    cerberus-annotate import project.qpproj nuclei.geojson.gz --image 'case 7.svs'

    Exit code 0: all imported; 1: some images stayed as they were; 2: wrong usage or unusable project.
    """
    from cerberus_annotate.annotate.geojson_files import find_files, match_files
    from cerberus_annotate.annotate.importing import import_geojson
    from cerberus_annotate.annotate.options import Options
    from cerberus_annotate.cli.progress import with_bar
    from cerberus_annotate.errors import CerberusError
    from cerberus_annotate.qupath import open_project

    opened = open_project(project, engine)
    matched = match_files(opened, find_files(files), pattern)
    options = Options(slides_dirs=slides_dir)
    results: list[Imported] = []
    failed: list[dict[str, str]] = []

    def work(progress: Callable[[int, int, str], None]) -> None:
        for number, (image, paths) in enumerate(matched):
            progress(number, len(matched), image.name)
            try:
                results.append(import_geojson(opened, image, paths, options, replace))
            except CerberusError as error:
                failed.append({"id": image.id, "image": image.name, "reason": str(error)})

    with_bar(work)
    exit_code = int(bool(failed))
    if as_json:
        content = {"images": [asdict(one) for one in results], "failed": failed, "exit_code": exit_code}
        click.echo(json.dumps(content, ensure_ascii=False))
    else:
        for one in results:
            click.echo(f"{one.name}: {_told(one)}")
    for note in (note for one in results for note in one.notes):
        click.echo(f"Note: {note}", err=True)
    for failure in failed:
        click.echo(failure["reason"], err=True)
    ctx.exit(exit_code)


def _told(one: "Imported") -> str:
    parts = [f"{one.added:,} objects added"]
    for count, words in (
        (one.replaced, "replaced"),
        (one.unchanged, "in it already"),
        (one.kept, "left as they are in the project, where they differ from the file"),
        (one.repeated, "left out because their id came before in the files"),
        (one.cores, "TMA cores left out, which only QuPath can add"),
    ):
        if count:
            parts.append(f"{count:,} {words}")
    return ", ".join(parts)
