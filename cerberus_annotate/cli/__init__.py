"""The command line: one module a command, each reads arguments, calls one function and prints."""

import sys
from collections.abc import Sequence
from typing import NoReturn


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs `cerberus-annotate` and ends the process.

    Exit codes: 0 all done, 1 some images failed or something is wrong, 2 wrong usage or unusable project or model,
    3 the cluster was lost, 130 interrupted.
    """
    import logging

    import click

    from cerberus_annotate.cli.group import cli
    from cerberus_annotate.errors import CerberusError

    # what it has to say of a damaged file comes again as our own sentence
    logging.getLogger("tifffile").setLevel(logging.CRITICAL)
    try:
        code = cli.main(
            args=list(sys.argv[1:] if arguments is None else arguments),
            prog_name="cerberus-annotate",
            standalone_mode=False,
        )
    except (click.Abort, KeyboardInterrupt):
        click.echo(
            "\nInterrupted. Finished images are kept, the one at work is as it was; the same command goes on.", err=True
        )
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except CerberusError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(2)
    except BrokenPipeError:
        # whoever read our output has gone; nothing more to say to them
        sys.stderr.close()
        sys.exit(1)
    except OSError as error:
        click.echo(f"Error: {error}.", err=True)
        sys.exit(2)
    sys.exit(code if isinstance(code, int) else 0)
