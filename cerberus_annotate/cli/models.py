"""`models`: which models there are, what they are, and what is done with them."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from cerberus_annotate.cli.arguments import FILE, json_option


@click.group(name="models", short_help="List, describe, choose, export, import and remove models.")
def command() -> None:
    """The models that --model knows by name: those of the package, imported ones, and those that `finetune` made.

    \b
    cerberus-annotate models list
    cerberus-annotate models info lab-v2
    cerberus-annotate models use lab-v2
    cerberus-annotate models export lab-v2 lab-v2.zip
    cerberus-annotate models import lab-v2.zip
    """


@command.command(name="list")
@json_option
def list_models(as_json: bool) -> None:
    """Lists the models by name, with their parents, whether they are better than those, and what they gained.

    \b
    cerberus-annotate models list
    """
    from cerberus_annotate.network.registry import default_model, registered_models

    models, chosen = registered_models(), default_model()
    rows = [
        {
            "name": model.name,
            "weights": str(model.weights),
            "bundled": model.bundled,
            "default": model.name == chosen,
            **_ancestry(model.name),
        }
        for model in models
    ]
    if as_json:
        click.echo(json.dumps({"models": rows}, ensure_ascii=False))
        return
    for row in rows:
        origin = "bundled" if row["bundled"] else f"from {row['parent']}" if row["parent"] else "imported"
        verdict = {None: "", True: ", better", False: ", not better"}[row["better"]]
        default = ", default" if row["default"] else ""
        click.echo(f"{row['name']}  ({origin}{verdict}{default})  {row['weights']}")
        for figure in row["figures"]:
            if figure["class"] is None:
                click.echo(f"    {_figure(figure)}")
    if not rows:
        click.echo("There are no models. Import one: cerberus-annotate models import DIR --name NAME")


def _ancestry(name: str) -> dict[str, Any]:
    """What `list` tells of a model's lineage; a damaged one is told of and does not hide the model."""
    from cerberus_annotate.errors import ModelError
    from cerberus_annotate.network.registry import read_lineage

    try:
        lineage = read_lineage(name)
    except ModelError as error:
        click.echo(str(error), err=True)
        lineage = None
    if lineage is None:
        return {"parent": None, "better": None, "figures": []}
    return {"parent": lineage.parent, "better": lineage.better, "figures": list(lineage.figures)}


def _figure(figure: Mapping[str, Any]) -> str:
    difference = figure["difference"]
    of_class = "" if figure["class"] is None else f", {figure['class']}"
    low, high = difference["ci"]
    return (
        f"{figure['data']}: {figure['task']}{of_class} {figure['measure']} {figure['before']['value']:.3f} → "
        f"{figure['after']['value']:.3f} ({difference['value']:+.3f}, {low:+.3f} to {high:+.3f})"
    )


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
    from cerberus_annotate.network.lineage import lineage_in
    from cerberus_annotate.network.registry import find_weights, registered_models

    model = load_model(name)
    plan = read_plan_of(find_weights(name))
    lineage = lineage_in(find_weights(name).parent)
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
        "lineage": None if lineage is None else asdict(lineage),
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
    if lineage is not None:
        click.echo(f"parent  {lineage.parent}, {lineage.parent_sha256}\nmade    {lineage.created}: {lineage.command}")
        for one in lineage.harvests:
            click.echo(f"learnt  {one.folder} of {one.project}: {one.regions} regions of {one.images} images")
        click.echo(f"{'better' if lineage.better else 'not better'}: {lineage.reason}")
        for figure in lineage.figures:
            click.echo(f"    {_figure(figure)}")
    if card is not None:
        click.echo("\n" + card.read_text("utf-8", errors="replace"))


@command.command()
@click.argument("name")
def use(name: str) -> None:
    """Makes NAME the model that is used where --model is not given.

    \b
    cerberus-annotate models use lab-v2
    cerberus-annotate models use cerberus-small     back to the bundled one
    """
    from cerberus_annotate.network.registry import use_model

    use_model(name)
    click.echo(f"'{name}' is the default model now.")


@command.command()
@click.argument("name")
@click.argument("target", type=FILE, metavar="FILE.zip")
def export(name: str, target: Path) -> None:
    """Writes a model with its card and lineage to a file that `models import` takes elsewhere.

    \b
    cerberus-annotate models export lab-v2 lab-v2.zip
    """
    from cerberus_annotate.network.registry import export_model

    click.echo(f"Written to {export_model(name, target)}")


@command.command()
@click.argument("name")
def remove(name: str) -> None:
    """Deletes a model that you imported or taught. Annotations that it made stay.

    \b
    cerberus-annotate models remove lab-v1
    """
    from cerberus_annotate.network.registry import default_model, remove_model

    before = default_model()
    remove_model(name)
    click.echo(f"The model '{name}' is gone." + (f" The default is '{default_model()}' now." if before == name else ""))


@command.command(name="import")
@click.argument("source", type=FILE, metavar="DIR|FILE")
@click.option("--name", help="Name for --model. [default: the folder's or file's name]")
def import_(source: Path, name: str | None) -> None:
    """Imports a model: a folder with the published `weights.tar` and `settings.yml`, a checkpoint file, or a .zip that
    `models export` wrote.

    \b
    cerberus-annotate models import downloads/resnet34_cerberus --name official
    cerberus-annotate models import lab-v2.zip
    """
    import tempfile

    from cerberus_annotate.errors import ModelError
    from cerberus_annotate.network.checkpoint import read_checkpoint
    from cerberus_annotate.network.registry import check_new_name, find_weights, import_model, unpack_model

    if not source.exists():
        raise ModelError(f"There is no file or folder {source}.")
    new = name or (source.resolve().name if source.is_dir() else source.stem)
    check_new_name(new)
    packed = source.is_file() and source.suffix.lower() == ".zip"
    with tempfile.TemporaryDirectory() as folder:
        weights = unpack_model(source, Path(folder)) if packed else find_weights(str(source))
        read_checkpoint(weights)
        import_model(weights, new)
    click.echo(f"Imported as '{new}': cerberus-annotate PROJECT --model {new}")
