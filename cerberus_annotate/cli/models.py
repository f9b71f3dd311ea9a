"""`models`: which models there are, what they are, and importing one."""

import json
from pathlib import Path
from typing import Any

import click

from cerberus_annotate.cli.arguments import FILE, json_option


@click.group(name="models", short_help="List, describe and import models.")
def command() -> None:
    """The models that --model knows by name.

    \b
    cerberus-annotate models list
    cerberus-annotate models info cerberus-small
    cerberus-annotate models import downloads/resnet34_cerberus --name official
    """


@command.command(name="list")
@json_option
def list_models(as_json: bool) -> None:
    """Lists the models by name.

    \b
    cerberus-annotate models list
    """
    from cerberus_annotate.network.registry import DEFAULT_MODEL, registered_models

    models = registered_models()
    if as_json:
        content = [
            {"name": m.name, "weights": str(m.weights), "bundled": m.bundled, "default": m.name == DEFAULT_MODEL}
            for m in models
        ]
        click.echo(json.dumps({"models": content}, ensure_ascii=False))
        return
    for model in models:
        origin = "bundled" if model.bundled else "imported"
        default = ", default" if model.name == DEFAULT_MODEL else ""
        click.echo(f"{model.name}  ({origin}{default})  {model.weights}")
    if not models:
        click.echo("There are no models. Import one: cerberus-annotate models import DIR --name NAME")


@command.command()
@click.argument("name")
@json_option
def info(name: str, as_json: bool) -> None:
    """Tells what a model is: tasks, classes, pixel size, checksum, and its card.

    NAME is a registered name or the path of a checkpoint.

    \b
    cerberus-annotate models info cerberus-small
    """
    from cerberus_annotate.network import load_model
    from cerberus_annotate.network.checkpoint import read_plan_of
    from cerberus_annotate.network.registry import find_weights, registered_models

    model = load_model(name)
    plan = read_plan_of(find_weights(name))
    card = next((m.card for m in registered_models() if m.name == name), None)
    facts: dict[str, Any] = {
        "name": model.name,
        "weights": str(find_weights(name)),
        "sha256": model.sha256,
        "mpp": model.input_mpp,
        "tasks": list(model.tasks),
        "classes": {output: list(names) for output, names in model.classes.items()},
        "weak_labels": ["lumen"] if plan.get("weak_lumina") else [],
        "plan": plan or None,
        "card": None if card is None else str(card),
    }
    if as_json:
        click.echo(json.dumps(facts, ensure_ascii=False))
        return
    tasks = ", ".join(model.tasks) or "nothing in slides; pixels or whole images"
    click.echo(f"{facts['name']}: {tasks}; takes {model.input_mpp} µm/px")
    click.echo(f"weights {facts['weights']}\nsha256  {facts['sha256']}")
    for output, names in facts["classes"].items():
        click.echo(f"{output}: {', '.join(names)}")
    for task in facts["weak_labels"]:
        click.echo(f"{task}: learnt from weak labels, pale areas inside annotated glands")
    if card is not None:
        click.echo("\n" + card.read_text("utf-8"))


@command.command(name="import")
@click.argument("source", type=FILE, metavar="DIR")
@click.option("--name", help="Name for --model. [default: the folder's name]")
def import_(source: Path, name: str | None) -> None:
    """Imports a model: DIR with the published `weights.tar` and `settings.yml`, or a checkpoint file.

    \b
    cerberus-annotate models import downloads/resnet34_cerberus --name official
    """
    from cerberus_annotate.errors import ModelError
    from cerberus_annotate.network.checkpoint import read_checkpoint
    from cerberus_annotate.network.registry import find_weights, import_model

    if not source.exists():
        raise ModelError(f"There is no file or folder {source}.")
    read_checkpoint(find_weights(str(source)))
    model = import_model(source, name or source.stem)
    click.echo(f"Imported as '{model.name}': cerberus-annotate PROJECT --model {model.name}")
