"""The group of commands; `annotate` is the one meant when none is named."""

import difflib
from importlib import import_module
from pathlib import Path

import click

import cerberus_annotate

COMMANDS = (
    "annotate",
    "create",
    "demo",
    "review",
    "serve",
    "scripts",
    "harvest",
    "finetune",
    "report",
    "runs",
    "restore",
    "export",
    "import",
    "models",
    "data",
    "train",
    "evaluate",
    "benchmark",
    "doctor",
)
MODULES = {"import": "import_"}
DEFAULT = "annotate"
SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 110}


class Commands(click.Group):
    """Loads a command's module when it is asked for, and takes `PROJECT` for `annotate PROJECT`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"cerberus_annotate.cli.{MODULES.get(cmd_name, cmd_name)}").command
        return command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        own = {name for parameter in self.get_params(ctx) for name in parameter.opts}
        if args and args[0] not in COMMANDS and args[0] not in own:
            _refuse_mistyped(args[0], ctx)
            args = [DEFAULT, *args]
        return super().parse_args(ctx, args)


def _refuse_mistyped(word: str, ctx: click.Context) -> None:
    """A word that is nearly a command, and no file, is a mistyped command."""
    near = difflib.get_close_matches(word, COMMANDS, 1, 0.75)
    if near and not Path(word).exists():
        raise click.UsageError(f"There is no command '{word}'. Did you mean '{near[0]}'?", ctx)


@click.group(cls=Commands, context_settings=SETTINGS, no_args_is_help=True)
@click.version_option(cerberus_annotate.__version__, prog_name="cerberus-annotate")
def cli() -> None:
    """Pre-labels the slides of a QuPath project: nuclei, glands, lumina and tissue as editable annotations.

    \b
    cerberus-annotate demo                       a first look, needs nothing
    cerberus-annotate create P SLIDE…            a project from slides
    cerberus-annotate P/project.qpproj           pre-labels a project (short for `annotate`)
    cerberus-annotate review P/project.qpproj    where to look first
    cerberus-annotate harvest P/project.qpproj   what was corrected, as training data
    cerberus-annotate finetune harvest --name N  a model that has learnt it

    What you draw, change, lock or delete in QuPath stays as it is on every further run.
    """
