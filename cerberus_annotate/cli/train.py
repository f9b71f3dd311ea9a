"""`train`: a network from labelled images, by a plan."""

import json
from pathlib import Path

import click

from cerberus_annotate.cli.arguments import FILE, FOLDER, json_option


@click.command(short_help="Train a network on labelled images.")
@click.argument("plan_file", type=FILE, metavar="PLAN.toml")
@click.option("--data", "root", type=FOLDER, required=True, help="Folder that the plan's data paths are relative to.")
@click.option(
    "--out", type=FILE, required=True, help="Folder for checkpoints, losses and pictures; an unfinished run goes on."
)
@click.option("--steps", type=click.IntRange(1), help="Stop after so many steps instead of the plan's.")
@click.option("--accelerator", type=click.Choice(["auto", "cpu", "cuda", "mps"]), default="auto", show_default=True)
@click.option("--devices", type=click.IntRange(1), default=1, show_default=True, help="GPUs to train on.")
@json_option
def command(
    plan_file: Path, root: Path, out: Path, steps: int | None, accelerator: str, devices: int, as_json: bool
) -> None:
    """Trains a network by PLAN.toml and writes OUT/weights.pt.

    Needs the extra `learn`: pip install 'cerberus-annotate[learn]'. Ctrl-C and power cuts cost at most 150 s of
    training: the same command goes on from OUT/last.pt with the same numbers as a run without a break. OUT/losses.csv
    and OUT/events (TensorBoard) hold the losses, OUT/samples pictures of what the network makes of its crops.

    \b
    cerberus-annotate train models/cerberus-small/train.toml --data ../shared/data --out runs/small
    cerberus-annotate models import runs/small/weights.pt --name mine
    cerberus-annotate evaluate --data ../shared/data/glas --split testA --model mine
    """
    from dataclasses import replace

    from cerberus_annotate.learn.training import require_learning_libraries

    require_learning_libraries()
    from cerberus_annotate.cli.progress import TrainingProgress
    from cerberus_annotate.learn.training.loop import train, write_weights
    from cerberus_annotate.learn.training.plan import read_plan
    from cerberus_annotate.learn.training.sources import fingerprint, read_images

    plan = read_plan(plan_file)
    if steps is not None:
        plan = replace(plan, steps=steps)
    images = read_images(plan, root)
    with TrainingProgress() as progress:
        last = train(
            plan,
            images,
            out,
            fingerprint=fingerprint(images),
            accelerator=accelerator,
            devices=devices,
            progress=progress,
        )
    weights = write_weights(last, out / "weights.pt", images)
    if as_json:
        click.echo(json.dumps({"weights": str(weights), "checkpoint": str(last), "steps": plan.steps}))
    else:
        click.echo(f"Trained {plan.name} for {plan.steps} steps: {weights}")
