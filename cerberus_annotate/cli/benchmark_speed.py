"""`benchmark speed`: what a slide costs on this machine, beside what it must cost at least."""

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cerberus_annotate.cli.arguments import (
    FILE,
    Names,
    device_option,
    json_option,
    model_option,
    mpp_option,
    precision_option,
)

if TYPE_CHECKING:
    from cerberus_annotate.speed.result import Speed

STAGES = {
    "read": "read and decode, one thread",
    "network": "network, as in a run",
    "extract": "objects out of maps, one thread",
    "join": "join tiles, level 0, one thread",
    "write": "compare and write, one thread",
    "end_to_end": "end to end, a run with all stages",
}


@click.command(name="speed", short_help="What a mm² of slide costs on this machine, stage by stage.")
@click.option("--slide", type=FILE, help="A slide of yours instead of the picture that comes with the program.")
@model_option
@click.option(
    "--tasks", type=Names(), help="Comma-separated: nuclei, gland, lumen, tissue. [default: all of the model]"
)
@mpp_option
@device_option
@precision_option
@json_option
def command(
    slide: Path | None,
    model_name: str | None,
    tasks: tuple[str, ...] | None,
    mpp: tuple[float, float] | None,
    device: str,
    precision: str,
    as_json: bool,
) -> None:
    """Measures each stage of a run on a part of a slide that is full of tissue, and prints it beside the floor.

    \b
    cerberus-annotate benchmark speed
    cerberus-annotate benchmark speed --slide slide.svs --tasks nuclei,gland
    cerberus-annotate benchmark speed --slide slide.svs --model official --precision fp32 --json

    The floor is what any program must do: the network's multiply-adds without overlap of tiles at the rate of one large
    matrix product on this machine, the file's bytes, the objects. The part is chosen so that all of it takes one or two
    minutes; a project is written in a temporary folder and removed. Nothing else should run meanwhile.

    --json prints one object: slide, part, machine, model, precision, tasks, floor, stages (s_per_mm2 by the clock,
    core_s_per_mm2 of all cores together), sent_bytes_per_mm2 (what a worker of a cluster would send),
    written_bytes_per_mm2, network_share_of_ceiling, agreement_with_fp32, demo.
    """
    from cerberus_annotate.cli.predictor import load_predictor
    from cerberus_annotate.cli.progress import with_bar
    from cerberus_annotate.speed.measurement import measure
    from cerberus_annotate.speed.sample import write_sample

    model, predict = load_predictor(model_name, device, precision, None, "auto")
    with tempfile.TemporaryDirectory(prefix="cerberus-annotate-") as folder:
        file = slide
        if file is None:
            file = Path(folder) / "demo.tif"
            write_sample(file)
        speed = with_bar(
            lambda tell: measure(file, model, predict, mpp=mpp, tasks=tasks, precision=precision, tell=tell)
        )
    if as_json:
        click.echo(json.dumps({**speed.as_json(), "demo": slide is None}, ensure_ascii=False))
    else:
        print_speed(speed, slide is None)


def print_speed(speed: "Speed", demo: bool) -> None:
    """The table on stdout."""
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=120)
    table = Table("per mm²", "at least")
    for header in ("seconds", "core seconds"):
        table.add_column(header, justify="right")
    for name, title in STAGES.items():
        took = speed.stages[name]
        table.add_row(title, _at_least(speed, name), f"{took.wall:.3f}", f"{took.cpu:.3f}")
    for line in _about(speed, demo):
        console.print(line, markup=False)
    console.print(table)
    for line in _below(speed):
        console.print(line, markup=False)


def _at_least(speed: "Speed", stage: str) -> str:
    floor = speed.floor
    if stage == "read":
        return f"{floor.file_bytes / 1e6:.2f} MB of file, {floor.decoded_bytes / 1e6:.0f} MB of pixels"
    if stage == "network":
        return f"{floor.tflop:.2f} TFLOP, {speed.network_floor:.3g} s at {speed.machine.ceiling / 1e9:,.0f} GMAC/s"
    if stage == "extract":
        return ", ".join(f"{count:,.0f} {task}" for task, count in speed.objects.items())
    if stage == "write":
        return f"{speed.written / 1e6:.2f} MB of project"
    return ""


def _about(speed: "Speed", demo: bool) -> list[str]:
    part, machine, region = speed.part, speed.machine, speed.part.region
    lines = [
        f"{speed.slide}: {speed.size[0]} x {speed.size[1]} px of {speed.mpp[0]:.4g} x {speed.mpp[1]:.4g} µm",
        f"part measured: {part.mm2:.2f} mm² from x {region.x}, y {region.y} on, {part.tissue:.0%} of it tissue",
        f"{speed.model} ({', '.join(speed.tasks)}) in {speed.precision} on {machine.device}; {machine.processor}, "
        f"{machine.cores} core{'s' * (machine.cores != 1)}",
    ]
    if demo:
        lines.insert(0, "No --slide is given: this is the demo picture, 16 mirrored copies side by side.")
    return lines


def _below(speed: "Speed") -> list[str]:
    part = speed.part
    lines = [
        f"The network needs {speed.floor.multiply_adds:,.0f} multiply-adds a px of its grid and reaches "
        f"{speed.ceiling_reached:.0%} of the ceiling. Tiles overlap: {part.overlap:.2f} px are computed for each that "
        f"is kept ({part.tiles} tile{'s' * (part.tiles > 1)} of {part.tile_side} px).",
    ]
    if not speed.agreement:
        return [*lines, "It was measured in fp32, which the faster number types are compared with."]
    said = [
        f"{found.share:.2%} of {task} ({found.matched:,} of {max(found.fast, found.plain):,})"
        for task, found in speed.agreement.items()
    ]
    return [*lines, f"The same objects as in fp32, one to one with IoU >= 0.5: {', '.join(said)}."]
