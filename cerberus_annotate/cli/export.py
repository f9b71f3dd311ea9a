"""`export`: the objects of a project as GeoJSON."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import click

from cerberus_annotate.cli.arguments import FILE, engine_option, json_option, project_argument


@click.command(name="export", short_help="Write the objects of a project's images as GeoJSON.")
@project_argument
@click.option("-o", "--out", type=FILE, required=True, metavar="DIR", help="Folder for the files, one an image.")
@click.option("--images", multiple=True, metavar="GLOB", help="Only images whose name fits; may be repeated.")
@click.option("--gzip", "packed", is_flag=True, help="Compress the files (.geojson.gz), for QuPath 0.4 and later.")
@click.option(
    "--for-qupath",
    "form",
    type=click.Choice(["0.4", "0.3"]),
    default="0.4",
    show_default=True,
    help="0.4: as QuPath 0.4 to 0.7 write. 0.3: the older form, which all from 0.3 to 0.7 read.",
)
@engine_option
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    project: Path,
    out: Path,
    images: tuple[str, ...],
    packed: bool,
    form: Literal["0.4", "0.3"],
    engine: str,
    as_json: bool,
) -> None:
    """Writes all objects of PROJECT's images as GeoJSON, as QuPath's own export does: one file an image, in pixels of
    the full-size image, with type, class, name, measurements, lock, metadata, nuclei of cells and ids.

    PROJECT is the .qpproj file or its folder; it is only read. `import` reads the files back, and so does QuPath.

    \b
    cerberus-annotate export project.qpproj -o objects
    cerberus-annotate export project.qpproj -o objects --images 'TCGA-*' --gzip

    Exit code 0: all written; 1: some images could not be read; 2: wrong usage or unusable project.
    """
    from cerberus_annotate.annotate.geojson_files import file_stems
    from cerberus_annotate.annotate.opening import choose_images
    from cerberus_annotate.cli.progress import with_bar
    from cerberus_annotate.errors import DataFileError
    from cerberus_annotate.qupath import open_project, write_geojson

    opened = open_project(project, engine)
    chosen = choose_images(opened, images)
    stems = file_stems(opened.images)
    results: list[dict[str, str | int]] = []
    failed: list[dict[str, str]] = []

    def work(progress: Callable[[int, int, str], None]) -> None:
        for number, image in enumerate(chosen):
            progress(number, len(chosen), image.name)
            path = out / f"{stems[image.id]}.geojson{'.gz' if packed else ''}"
            try:
                objects = image.read_objects()
            except DataFileError as error:
                failed.append({"id": image.id, "image": image.name, "reason": str(error)})
                continue
            written = write_geojson(objects, path, form)
            without = len(objects) - written
            results.append(
                {"id": image.id, "image": image.name, "file": str(path), "objects": written, "without_shape": without}
            )

    with_bar(work)
    exit_code = int(bool(failed))
    if as_json:
        click.echo(json.dumps({"images": results, "failed": failed, "exit_code": exit_code}, ensure_ascii=False))
    else:
        for one in results:
            left_out = f" ({one['without_shape']:,} without a shape left out)" if one["without_shape"] else ""
            click.echo(f"{one['image']}: {one['objects']:,} objects in {one['file']}{left_out}")
    for failure in failed:
        click.echo(failure["reason"], err=True)
    ctx.exit(exit_code)
