"""project.qpproj and classes.json: found, checked, changed with nothing else touched."""

import time
import uuid as uuid_module
from pathlib import Path
from typing import Any

from cerberus_annotate.errors import ProjectError
from cerberus_annotate.files import write_whole
from cerberus_annotate.qupath.colours import DEFAULT_CLASSES, default_colour, from_argb, to_argb
from cerberus_annotate.qupath.native import json_text
from cerberus_annotate.qupath.path_object import PathClass
from cerberus_annotate.qupath.uri import file_uri

SUFFIX = ".qpproj"
#: The release whose form a new project has.
NEW_VERSION = "0.6.0"


def find_project_file(path: Path) -> Path:
    """The .qpproj that `path` is or holds.  Raises ProjectError."""
    try:
        if path.is_dir():
            found = sorted(item for item in path.iterdir() if item.suffix.lower() == SUFFIX and item.is_file())
            if not found:
                raise ProjectError(f"There is no QuPath project (a file *{SUFFIX}) in the folder {path}.")
            if len(found) > 1:
                listed = ", ".join(item.name for item in found)
                raise ProjectError(f"There are several QuPath projects in {path} ({listed}). Name one of the files.")
            return found[0]
        if not path.exists():
            raise ProjectError(
                f"There is no file {path}. Make the project in QuPath, or with `cerberus-annotate create`."
            )
    except OSError as error:
        raise ProjectError(f"{path} cannot be looked at: {error.strerror or error}.") from error
    return path


def read_json(path: Path, what: str) -> Any:
    """The JSON in a file.  Raises ProjectError naming it as `what`."""
    try:
        return json_text.parse(path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise ProjectError(f"{what} ({path}) cannot be read: {error.strerror or error}.") from error
    except ValueError as error:
        raise ProjectError(
            f"{what} ({path}) is not the JSON that QuPath writes ({error}).{_former_state(path)}"
        ) from error


def _former_state(path: Path) -> str:
    backup = path.with_name(path.name + ".backup")
    return f" The state before the last save lies beside it as {backup.name}." if backup.exists() else ""


def load_project(path: Path) -> dict[str, Any]:
    """The JSON of a project that QuPath could open.  Raises ProjectError with the reason otherwise."""
    content = read_json(path, "The project")
    if not isinstance(content, dict):
        raise ProjectError(f"{path} is JSON, but no QuPath project.")
    version = content.get("version")
    if version is None and "lastID" not in content:
        raise ProjectError(
            f"{path} is a project of QuPath 0.1 or no QuPath project. QuPath 0.2 or later can import it "
            "(File > Project > Open), which makes a new one."
        )
    if version in ("v0.2.0-m1", "v0.2.0-m2"):
        raise ProjectError(f"{path} was written by QuPath {version}, a test version that no other QuPath can read.")
    for key in ("createTimestamp", "modifyTimestamp"):
        if not isinstance(content.get(key), int | float):
            raise ProjectError(f"{path} has no {key}; QuPath cannot open such a project. Restore it from a backup.")
    images = content.get("images", [])
    if not isinstance(images, list):
        raise ProjectError(f"{path} has no list of images.")
    for number, entry in enumerate(images, 1):
        if not isinstance(entry, dict) or not isinstance(entry.get("entryID"), int | str):
            raise ProjectError(f"Image {number} of {path} has no entryID; QuPath cannot open such a project.")
        if not str(entry["entryID"]).lstrip("-").isdecimal():
            raise ProjectError(f"Image {number} of {path} has an entryID that is no number: {entry['entryID']}.")
    return content


def save_project(path: Path, content: dict[str, Any]) -> None:
    """Put the JSON in place and keep the former file as .backup.  Raises ProjectError."""
    content["modifyTimestamp"] = now()
    write_text(path, json_text.dump(content), "The project", keep=path.with_name(path.name + ".backup"))


def write_text(path: Path, text: str, what: str, keep: Path | None = None) -> None:
    """Replace a text file in one step.  Raises ProjectError naming it as `what`."""
    write_whole(path, text.encode("utf-8"), what, keep=keep)


def now() -> int:
    """ms since 1970."""
    return int(time.time() * 1000)


def write_new_project(path: Path) -> None:
    """An empty project with QuPath's default classes, as QuPath 0.6.0 writes it.  Raises ProjectError."""
    folder = path.parent
    write_classes(folder, [], list(DEFAULT_CLASSES))
    write_text(folder / "data" / "metadata.json", "{}", "The project's metadata")
    moment = now()
    content = {
        "version": NEW_VERSION,
        "createTimestamp": moment,
        "modifyTimestamp": moment,
        "uri": file_uri(path),
        "lastID": 0,
        "images": [],
    }
    write_text(path, json_text.dump(content), "The project")


def classes_file(folder: Path) -> Path:
    return folder / "classifiers" / "classes.json"


def read_class_list(folder: Path) -> list[Any]:
    """The raw entries of classes.json, none when there is no such file.  Raises ProjectError."""
    path = classes_file(folder)
    if not path.exists():
        return []
    content = read_json(path, "The class list")
    entries = content.get("pathClasses") if isinstance(content, dict) else None
    if not isinstance(entries, list):
        raise ProjectError(f"The class list ({path}) is not as QuPath writes it; set it anew in QuPath.")
    return entries


def to_path_class(entry: Any) -> PathClass | None:
    """The class of an entry; None for one without a usable name, which QuPath passes over as well."""
    try:
        colour = entry.get("color")
        return PathClass.of(entry["name"], from_argb(colour) if isinstance(colour, int) else None)
    except (AttributeError, KeyError, TypeError, ValueError):
        return None


def write_classes(folder: Path, entries: list[Any], added: list[PathClass]) -> None:
    """classes.json with `added` after the present entries.  Raises ProjectError."""
    new = [{"name": str(item), "color": to_argb(item.colour or default_colour(item.names))} for item in added]
    write_text(classes_file(folder), json_text.dump({"pathClasses": entries + new}), "The class list")


def new_entry(
    content: dict[str, Any], entry_id: int, server: dict[str, Any], name: str, metadata: dict[str, str], tags: bool
) -> None:
    """Append an image entry to the project's JSON."""
    entry: dict[str, Any] = {
        "serverBuilder": server,
        "entryID": entry_id,
        "randomizedName": str(uuid_module.uuid4()),
        "imageName": name,
        "metadata": metadata,
    }
    if tags:
        entry["tags"] = []
    content["lastID"] = max(entry_id, int(content.get("lastID", 0)))
    content.setdefault("images", []).append(entry)
