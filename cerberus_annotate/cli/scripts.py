"""`scripts`: the scripts that are run in QuPath."""

import json
from pathlib import Path

import click

from cerberus_annotate.cli.arguments import FILE, engine_option, json_option, project_argument


@click.group(name="scripts", short_help="Put our scripts into a project, for use inside QuPath.")
def command() -> None:
    """The scripts that a pathologist runs inside QuPath.

    \b
    cerberus-annotate scripts install project.qpproj
    """


@command.command(name="install")
@project_argument
@engine_option
@json_option
def install(project: Path, engine: str, as_json: bool) -> None:
    """Puts the scripts into PROJECT; QuPath shows them under Automate > Project scripts > cerberus.

    A script that you changed stays as it is. Also notes for your QuPath where this cerberus-annotate is, so run it once
    on each computer that works on the project.

    \b
    cerberus-annotate scripts install project.qpproj
    """
    from cerberus_annotate.qupath import open_project
    from cerberus_annotate.serve.noted_command import note_command
    from cerberus_annotate.serve.scripts import FOLDER, install_scripts

    folder = open_project(project, engine).folder
    states = install_scripts(folder)
    note_command()
    if as_json:
        click.echo(json.dumps({"folder": str(folder / FOLDER), "scripts": dict(states)}, ensure_ascii=False))
        return
    for name, state in states.items():
        if state == "kept":
            click.echo(f"{name} was changed here and stays as it is; delete it and install again for the new one.")
    click.echo(f"{len(states)} scripts in {folder / FOLDER}. In QuPath: Automate > Project scripts > cerberus.")


@command.command(name="differences")
@project_argument
@click.option("--image", "image_id", required=True, metavar="ID", help="The image's entryID in the project.")
@click.option("-o", "--out", type=FILE, required=True, metavar="FILE.geojson", help="Where the outlines go.")
@engine_option
@json_option
def differences(project: Path, image_id: str, out: Path, engine: str, as_json: bool) -> None:
    """Writes what was predicted in an image and what was made of it as outlines (what show_differences.groovy draws).

    The class of an outline is what happened (deleted, added, reshaped, …), its name is predicted or corrected.

    \b
    cerberus-annotate scripts differences project.qpproj --image 1 -o differences.geojson
    """
    from cerberus_annotate.errors import UsageError
    from cerberus_annotate.qupath import open_project, write_geojson
    from cerberus_annotate.serve.differences import image_differences

    opened = open_project(project, engine)
    image = next((image for image in opened.images if image.id == image_id), None)
    if image is None:
        raise UsageError(f"The project {opened.path} has no image with the entryID {image_id}.")
    outlines, counts, notes = image_differences(opened, image)
    write_geojson(outlines, out)
    for note in notes:
        click.echo(f"Note: {note}", err=True)
    if as_json:
        click.echo(json.dumps({"image": image.name, "objects": dict(counts), "out": str(out)}, ensure_ascii=False))
    else:
        said = ", ".join(f"{count:,} {verdict}" for verdict, count in sorted(counts.items()))
        click.echo(f"{image.name}: {said or 'no objects'}.")
