"""`serve`: keeps the model ready for QuPath's own window."""

import json
import logging
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
    from cerberus_annotate.annotate.classes import ClassTable
    from cerberus_annotate.network.model import Model


@click.command(name="serve", short_help="Keep the model ready for regions that are selected in QuPath.")
@project_argument
@model_option
@click.option("--tasks", type=Names(), help="Of nuclei, gland, lumen, tissue, with commas. [default: all of the model]")
@click.option("--min-confidence", type=click.FloatRange(0, 1), default=0.0, help="Leave out objects below it, 0 to 1.")
@click.option("--nuclei-as", type=click.Choice(["annotations", "detections"]), help="[default: annotations]")
@click.option("--classes", type=FILE, metavar="MAPPING.toml", help="Your lab's class names and colours for ours.")
@mpp_option
@click.option("--any-stain", is_flag=True, help="Also images whose type in QuPath is not H&E.")
@device_option
@precision_option
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="[default: any that is free]")
@slides_dir_option
@engine_option
@json_option
def command(
    project: Path,
    model_name: str | None,
    device: str,
    precision: str,
    classes: Path | None,
    port: int,
    engine: str,
    as_json: bool,
    **choices: Any,
) -> None:
    """Keeps the model ready and pre-labels regions that are selected in QuPath, where the image may stay open.

    PROJECT is the .qpproj file or its folder. In QuPath, select annotations and run annotate_live.groovy (see `scripts
    install`). Listens on this computer only, with a token that only this user can read. Ctrl-C ends it. Needs
    pip install 'cerberus-annotate[serve]'.

    \b
    cerberus-annotate serve project.qpproj
    cerberus-annotate serve project.qpproj --tasks nuclei --device cuda
    """
    from cerberus_annotate.annotate.options import Options
    from cerberus_annotate.cli.predictor import load_predictor
    from cerberus_annotate.qupath import open_project
    from cerberus_annotate.serve.listening import check_extra, listen
    from cerberus_annotate.serve.session import Session

    check_extra()
    path = open_project(project, engine).path
    model, predict = load_predictor(model_name, device, precision, None, "auto")
    options = Options(
        tasks=choices["tasks"] or (),
        classes=_class_table(classes, model),
        min_confidence=choices["min_confidence"],
        nuclei_as=choices["nuclei_as"],
        mpp=choices["mpp"],
        any_stain=choices["any_stain"],
        slides_dirs=choices["slides_dir"],
        precision=precision,
    )
    logging.basicConfig(format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    logging.getLogger("cerberus_annotate").setLevel(logging.INFO)

    def ready(port: int, announcement: Path) -> None:
        if as_json:
            told = {"project": str(path), "model": model.name, "port": port, "announcement": str(announcement)}
            click.echo(json.dumps(told, ensure_ascii=False))
        else:
            click.echo(
                f"{model.name} on {model.device} is ready for {path} (port {port} of this computer). In QuPath, select "
                "annotations and run annotate_live. Ctrl-C ends."
            )

    with Session(path, engine, model, options, predict) as session:
        session.warm_up()
        listen(session.ask, path, port, ready)


def _class_table(classes: Path | None, model: "Model") -> "ClassTable":
    from cerberus_annotate.annotate.classes import ClassTable, known_classes, read_classes
    from cerberus_annotate.network.config import lean_config, official_config, output_classes

    if classes is None:
        return ClassTable()
    outputs = (output_classes(official_config()), output_classes(lean_config()), model.classes)
    return read_classes(classes, known_classes(*outputs))
