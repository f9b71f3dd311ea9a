"""Types of arguments and options that several commands share."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])


class PixelSize(click.ParamType):
    """µm per pixel: one number, or x,y."""

    name = "mpp"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, float]:
        if isinstance(value, tuple):
            return value
        try:
            sizes = [float(part) for part in str(value).split(",")]
        except ValueError:
            sizes = []
        if len(sizes) not in (1, 2) or not all(0.01 <= size <= 20 for size in sizes):
            self.fail(f"'{value}' is no pixel size; give µm per pixel from 0.01 to 20, such as 0.25 or 0.25,0.25.")
        return sizes[0], sizes[-1]


class Device(click.ParamType):
    """auto, cpu, cuda, cuda:N or mps."""

    name = "device"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", str(value)):
            self.fail(f"'{value}' is no device; use auto, cpu, cuda, cuda:N or mps.")
        return str(value)


class Names(click.ParamType):
    """Names separated by commas."""

    name = "names"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        if isinstance(value, tuple):
            return value
        names = tuple(name.strip() for name in str(value).split(",") if name.strip())
        if not names:
            self.fail("no name is given; leave the option out for all.")
        return names


FILE = click.Path(path_type=Path)
FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)

project_argument = click.argument("project", type=FILE)
mpp_option = click.option(
    "--mpp",
    type=PixelSize(),
    help="µm per pixel where neither the project nor the file says it; one number, or x,y.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
slides_dir_option = click.option(
    "--slides-dir", multiple=True, type=FOLDER, help="Where to look for moved slides; may be repeated."
)
model_option = click.option(
    "--model", "model_name", metavar="NAME|PATH", help="A model by name (see `models list`) or a checkpoint."
)
device_option = click.option(
    "--device", type=Device(), default="auto", show_default=True, help="auto, cpu, cuda, cuda:N or mps."
)
precision_option = click.option(
    "--precision", type=click.Choice(["auto", "fp32", "bf16", "fp16"]), default="auto", show_default=True
)
engine_option = click.option(
    "--engine",
    type=click.Choice(["native", "paquo"]),
    default="native",
    show_default=True,
    help="Who reads and writes the project: this program, or your QuPath (0.5 or 0.6) through paquo.",
)
