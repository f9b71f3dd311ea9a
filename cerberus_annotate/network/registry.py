"""Models by name: those that the package ships and those that the user imported. Loads no torch."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from cerberus_annotate.errors import ModelError

DEFAULT_MODEL = "cerberus-small"


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


def user_folder() -> Path:
    """Where imported models lie: `CERBERUS_ANNOTATE_HOME`, else `~/.cerberus-annotate`, then `models`."""
    home = os.environ.get("CERBERUS_ANNOTATE_HOME")
    return (Path(home) if home else Path.home() / ".cerberus-annotate") / "models"


def registered_models() -> list[RegisteredModel]:
    """All models that `--model NAME` knows, the shipped ones first, each group by name."""
    found: dict[str, RegisteredModel] = {}
    for folder, bundled in ((bundled_folder(), True), (user_folder(), False)):
        for weights in sorted([*folder.glob("*/weights.pt"), *folder.glob("*/weights.tar")]):
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
    for candidate in (path, path / "weights.pt", path / "weights.tar"):
        if candidate.is_file():
            return candidate
    known = ", ".join(models) or "none"
    raise ModelError(f"There is no model '{name_or_path}': neither a file or folder, nor one of these: {known}.")


def import_model(source: Path, name: str) -> RegisteredModel:
    """Copies weights (and `settings.yml` and a card where there are any) into the user's models as `name`.

    The caller has checked that the weights load. Raises ModelError when the name is taken or cannot be a folder name.
    """
    if not name or any(c in name for c in '/\\:*?"<>|') or name.startswith("."):
        raise ModelError(f"'{name}' cannot be a model name; use letters, digits, '-' and '_'.")
    if any(model.name == name for model in registered_models()):
        raise ModelError(f"There is a model '{name}' already; choose another --name.")
    weights = find_weights(str(source))
    target = user_folder() / name
    temporary = target.with_name(f".{name}.importing")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    suffix = "weights.tar" if weights.with_name("settings.yml").is_file() else "weights.pt"
    shutil.copyfile(weights, temporary / suffix)
    for extra in ("settings.yml", "card.md"):
        if weights.with_name(extra).is_file():
            shutil.copyfile(weights.with_name(extra), temporary / extra)
    temporary.replace(target)
    card = target / "card.md"
    return RegisteredModel(name, target / suffix, card if card.is_file() else None, False)
