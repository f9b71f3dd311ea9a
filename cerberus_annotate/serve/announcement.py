"""How the scripts find a running service: a file that only this user may read."""

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

from cerberus_annotate.files import write_whole
from cerberus_annotate.network.registry import home_folder


@contextlib.contextmanager
def announced(project: Path, port: int, token: str) -> Iterator[Path]:
    """Tells where the service of a project listens, as long as the block lasts.

    project: the .qpproj file. Files of services that were killed are cleared away.  Raises ProjectError.
    """
    folder = home_folder() / "live"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _clear_away_dead(folder)
    path = folder / f"{port}.json"
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    content = {"project": str(project), "port": port, "token": token, "pid": os.getpid()}
    try:
        write_whole(path, json.dumps(content, ensure_ascii=False).encode("utf-8", "surrogateescape"), "The service")
        yield path
    finally:
        path.unlink(missing_ok=True)


def _clear_away_dead(folder: Path) -> None:
    for path in folder.glob("*.json"):
        try:
            is_dead = not _is_alive(int(json.loads(path.read_text("utf-8"))["port"]))
        except (OSError, ValueError, KeyError, TypeError):
            is_dead = True
        if is_dead:
            with contextlib.suppress(OSError):
                path.unlink()


def _is_alive(port: int) -> bool:
    """Whether anything listens there."""
    import socket

    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False
