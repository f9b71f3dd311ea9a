"""Listening on the loopback address until the user ends it."""

import secrets
import socket
from collections.abc import Callable
from pathlib import Path

from cerberus_annotate.errors import UsageError
from cerberus_annotate.serve.announcement import announced
from cerberus_annotate.serve.service import Ask, make_app

LOOPBACK = "127.0.0.1"


def check_extra() -> None:
    """Raises UsageError where the libraries of the extra `serve` are missing."""
    try:
        import starlette  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError as error:
        raise UsageError(
            f"The live service needs {error.name}: pip install 'cerberus-annotate[serve]', then run this again."
        ) from None


def listen(ask: Ask, project: Path, port: int, ready: Callable[[int, Path], None]) -> None:
    """Serves until SIGINT or SIGTERM.

    project: the .qpproj file. port: 0 for a free one. ready: called with the port and the announcement's file once
    connections are taken. Raises UsageError when the port is taken.
    """
    import uvicorn

    token = secrets.token_urlsafe(32)
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        try:
            listener.bind((LOOPBACK, port))
        except OSError as error:
            raise UsageError(
                f"Port {port} cannot be listened on ({error.strerror or error}). Give another --port, or none."
            ) from error
        listener.listen(64)
        port = listener.getsockname()[1]
        config = uvicorn.Config(
            make_app(ask, token), log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=5
        )
        with announced(project, port, token) as path:
            ready(port, path)
            uvicorn.Server(config).run(sockets=[listener])
