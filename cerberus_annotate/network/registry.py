"""Models by name: those that the package ships, and those that the user imported or taught. Loads no torch."""

import logging
import os
import shutil
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cerberus_annotate.errors import ModelError
from cerberus_annotate.files import copy_file, replace_file, sync_folder, write_in_one_step
from cerberus_annotate.network.lineage import LINEAGE, Lineage, lineage_in

logger = logging.getLogger(__name__)

DEFAULT_MODEL = "cerberus-small"
"""The bundled model that is used until the user chooses another, see `default_model`."""

CHOSEN = "default-model"
"""File beside the user's models that names the default; without it the bundled one is."""

WEIGHTS = ("weights.pt", "weights.tar")
BESIDE = ("settings.yml", "card.md", LINEAGE)


@dataclass(frozen=True)
class RegisteredModel:
    """A folder with weights: its name, the weights file, its card (None without), and whether we ship it."""

    name: str
    weights: Path
    card: Path | None
    bundled: bool


def bundled_folder() -> Path:
    """Where the shipped models lie: inside the installed package, or beside it in a checkout."""
    package = Path(__file__).parents[1]
    installed = package / "models"
    return installed if installed.is_dir() else package.parent / "models"


def home_folder() -> Path:
    """Where this user's files lie: `CERBERUS_ANNOTATE_HOME`, else `~/.cerberus-annotate`."""
    home = os.environ.get("CERBERUS_ANNOTATE_HOME")
    return Path(home) if home else Path.home() / ".cerberus-annotate"


def user_folder() -> Path:
    """Where the user's models lie."""
    return home_folder() / "models"


def default_model() -> str:
    """The model that is used when none is named: the user's choice, else the bundled one.

    A choice that names a model which is gone is warned of, and the bundled one is used.
    """
    chosen = _chosen()
    if not chosen or any(model.name == chosen for model in registered_models()):
        return chosen or DEFAULT_MODEL
    logger.warning(
        "The default model '%s' is gone; '%s' is used. `models use` chooses the default.", chosen, DEFAULT_MODEL
    )
    return DEFAULT_MODEL


def _chosen() -> str:
    """The name that the user chose, whether there is such a model or not; nothing without a choice."""
    try:
        return (home_folder() / CHOSEN).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _forget_choice_of(name: str) -> None:
    """So that a later model of the same name is not the default unless it is chosen.  Raises OSError."""
    if _chosen() == name:
        (home_folder() / CHOSEN).unlink()


def use_model(name: str) -> None:
    """Makes a model the default.  Raises ModelError where there is none of that name, or the choice cannot be kept."""
    registered(name)
    folder = home_folder()
    with _sentences(f"The default model could not be noted in {folder}"):
        folder.mkdir(parents=True, exist_ok=True)
        replace_file(folder / CHOSEN, f"{name}\n".encode())


def registered_models() -> list[RegisteredModel]:
    """All models that `--model NAME` knows, the shipped ones first, each group by name."""
    found: dict[str, RegisteredModel] = {}
    for folder, bundled in ((bundled_folder(), True), (user_folder(), False)):
        for weights in sorted(path for name in WEIGHTS for path in folder.glob(f"*/{name}")):
            if weights.parent.name.startswith("."):
                continue  # half written
            card = weights.with_name("card.md")
            model = RegisteredModel(weights.parent.name, weights, card if card.is_file() else None, bundled)
            found.setdefault(model.name, model)
    return list(found.values())


def find_weights(name_or_path: str) -> Path:
    """The weights file of a model name, a checkpoint file, or a folder with `weights.pt` or `weights.tar`.

    Raises ModelError that names the models there are.
    """
    models = {model.name: model.weights for model in registered_models()}
    if name_or_path in models:
        return models[name_or_path]
    path = Path(name_or_path).expanduser()
    for candidate in (path, *(path / name for name in WEIGHTS)):
        if candidate.is_file():
            return candidate
    known = ", ".join(models) or "none"
    raise ModelError(f"There is no model '{name_or_path}': neither a file or folder, nor one of these: {known}.")


def registered(name: str) -> RegisteredModel:
    """The model of a name.  Raises ModelError that names the models there are."""
    models = {model.name: model for model in registered_models()}
    if name not in models:
        raise ModelError(f"There is no model '{name}'; there are {', '.join(models) or 'none'}.")
    return models[name]


def read_lineage(name: str) -> Lineage | None:
    """Where a registered model is from; None where nothing is known.  Raises ModelError."""
    return lineage_in(registered(name).weights.parent)


def check_new_name(name: str) -> None:
    """Raises ModelError when the name is taken or cannot be a folder's."""
    unfit = any(character in '/\\:*?"<>|' or not character.isprintable() for character in name)
    if not name or name != name.strip() or name.startswith(".") or unfit:
        raise ModelError(f"'{name}' cannot be a model name; use letters, digits, '-' and '_'.")
    if any(model.name == name for model in registered_models()):
        raise ModelError(f"There is a model '{name}' already; choose another --name, or remove it first.")


def register_model(weights: Path, name: str, lineage: Lineage, card: str) -> RegisteredModel:
    """Copies weights into the user's models as `name`, with where they are from.

    Raises ModelError when the name cannot be taken or the disk refuses; there is then no such model.
    """
    check_new_name(name)
    with _new_folder(name) as folder:
        copy_file(weights, folder / "weights.pt")
        replace_file(folder / "card.md", card.encode())
        replace_file(folder / LINEAGE, lineage.to_json())
    return registered(name)


def import_model(source: Path, name: str) -> RegisteredModel:
    """Copies weights, and settings, card and lineage where there are any, into the user's models as `name`.

    source: a checkpoint file or a folder. The caller has checked that the weights load. Raises ModelError as
    `register_model` does.
    """
    check_new_name(name)
    weights = find_weights(str(source))
    official = weights.with_name("settings.yml").is_file()
    with _new_folder(name) as folder:
        copy_file(weights, folder / WEIGHTS[official])
        for extra in BESIDE:
            if weights.with_name(extra).is_file():
                copy_file(weights.with_name(extra), folder / extra)
    return registered(name)


def export_model(name: str, target: Path) -> Path:
    """Writes a model's weights, card and lineage as a .zip that `models import` takes; into a folder as NAME.zip.

    Raises ModelError when there is no such model, `target` is there already, or the disk refuses.
    """
    model = registered(name)
    if target.is_dir():
        target = target / f"{name}.zip"
    elif target.suffix.lower() != ".zip":
        target = target.with_name(f"{target.name}.zip")
    if target.exists():
        raise ModelError(f"{target} is there already; give another name, or delete it.")
    files = [model.weights, *(path for extra in BESIDE if (path := model.weights.with_name(extra)).is_file())]

    def write(file: object) -> None:
        # files of reproducible packages are dated 1970, before what a .zip can tell
        with zipfile.ZipFile(file, "w", strict_timestamps=False) as archive:  # type: ignore[call-overload]
            for path in files:
                archive.write(path, path.name)

    with _sentences(f"{target} could not be written"):
        target.parent.mkdir(parents=True, exist_ok=True)
        write_in_one_step(target, write)
    return target


def unpack_model(archive: Path, folder: Path) -> Path:
    """Takes what `export_model` wrote out of an archive into a folder, and nothing else of it; gives the weights.

    Raises ModelError for a file that is no such archive.
    """
    try:
        with zipfile.ZipFile(archive) as content:
            for name in (*WEIGHTS, *BESIDE):
                if name in content.namelist():
                    with content.open(name) as packed, (folder / name).open("wb") as file:
                        shutil.copyfileobj(packed, file)
    except (zipfile.BadZipFile, EOFError, zlib.error, RuntimeError) as error:  # the last: encrypted, or packed oddly
        raise ModelError(f"{archive} is damaged, or no .zip file; export the model again.") from error
    for name in WEIGHTS:
        if (folder / name).is_file():
            return folder / name
    raise ModelError(f"{archive} holds no model: there is no weights.pt at its top.")


def remove_model(name: str) -> None:
    """Deletes a model of the user.  Raises ModelError for a bundled one, and for one that is not there."""
    model = registered(name)
    if model.bundled:
        raise ModelError(
            f"'{name}' is part of the package and cannot be removed; `models use` chooses another default."
        )
    folder = model.weights.parent
    gone = folder.with_name(f".{name}.removed")
    with _sentences(f"The model '{name}' could not be removed from {folder}"):
        shutil.rmtree(gone, ignore_errors=True)
        folder.replace(gone)  # gone in one step, whatever the deletion meets
        _forget_choice_of(name)
        shutil.rmtree(gone, ignore_errors=True)


@contextmanager
def _new_folder(name: str) -> Iterator[Path]:
    """An empty folder that becomes the model `name` when all is written."""
    target = user_folder() / name
    temporary = target.with_name(f".{name}.writing")
    with _sentences(f"The model '{name}' could not be written to {target}"):
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        try:
            yield temporary
            _forget_choice_of(name)
            temporary.replace(target)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        sync_folder(target.parent)


@contextmanager
def _sentences(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ModelError(f"{what}: {error.strerror or error}.") from error
