"""A new image entry with its files, as QuPath 0.6.0 writes them."""

import contextlib
import shutil
from pathlib import Path
from typing import Any

from cerberus_annotate.errors import ProjectError
from cerberus_annotate.files import replace_file
from cerberus_annotate.qupath.java import write_stream
from cerberus_annotate.qupath.native import json_text, new_data
from cerberus_annotate.qupath.native.data_file import release_of
from cerberus_annotate.qupath.native.project_file import new_entry, save_project
from cerberus_annotate.qupath.server import ServerBuilder
from cerberus_annotate.qupath.uri import same_uri


def add_entry(
    path: Path,
    content: dict[str, Any],
    server: ServerBuilder,
    name: str,
    image_type: str,
    thumbnail: bytes | None,
    metadata: dict[str, str],
) -> tuple[int, bool]:
    """Add an image to the project file at `path`, whose JSON is `content`.

    Returns (entryID, whether it was added); the same slide and series is not added twice.
    Raises ProjectError; nothing of the new entry is then left.
    """
    for entry in content.get("images", []):
        present = ServerBuilder.from_json(entry.get("serverBuilder"))
        if same_slide(present, server):
            return entry["entryID"], False
    version = str(content.get("version") or "")
    entry_id = _free_id(path.parent, content)
    folder = path.parent / "data" / str(entry_id)
    try:
        folder.mkdir(parents=True)
        _write_files(folder, version, server, image_type, thumbnail)
        tags = release_of(version) >= (0, 6)
        new_entry(content, entry_id, dict(server.json), name, metadata, tags)
        save_project(path, content)
    except BaseException as error:
        with contextlib.suppress(OSError):
            shutil.rmtree(folder)
        if isinstance(error, OSError):
            raise ProjectError(
                f"Image '{name}' could not be added to {path}: {error.strerror or error}. The project is as it was."
            ) from error
        raise
    return entry_id, True


def _write_files(folder: Path, version: str, server: ServerBuilder, image_type: str, thumbnail: bytes | None) -> None:
    stream = new_data.new_stream(version, server.json, server.uri, image_type)
    replace_file(folder / "server.json", json_text.dump(dict(server.json)).encode("utf-8"))
    replace_file(folder / "data.qpdata", write_stream(stream))
    text = new_data.summary(image_type, server.metadata, new_data.hierarchy_summary({}))
    replace_file(folder / "summary.json", text.encode("utf-8"))
    if thumbnail is not None:
        replace_file(folder / "thumbnail.jpg", thumbnail)


def same_slide(one: ServerBuilder, other: ServerBuilder) -> bool:
    """Do two builders show the same image of the same file?"""
    return bool(one.uri) and same_uri(one.uri, other.uri) and _series(one) == _series(other)


def _series(server: ServerBuilder) -> str:
    """The value of --series, "0" when it is not given."""
    args = server.args
    return args[args.index("--series") + 1] if "--series" in args[:-1] else "0"


def _free_id(folder: Path, content: dict[str, Any]) -> int:
    """The next entryID; one whose data folder was left behind by a removed entry is passed over."""
    given = [int(entry["entryID"]) for entry in content.get("images", [])]
    entry_id = max([int(content.get("lastID", 0)), *given, 0]) + 1
    while (folder / "data" / str(entry_id)).exists():
        entry_id += 1
    return entry_id
