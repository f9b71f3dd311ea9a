"""The scripts that a pathologist runs in QuPath, put together and written into a project."""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import cerberus_annotate
from cerberus_annotate.errors import ProjectError
from cerberus_annotate.files import write_whole

FOLDER = Path("scripts") / "cerberus"
"""In a project's folder; QuPath shows it under Automate > Project scripts."""

_PART = re.compile(r"^//\+ (parts/\w+\.groovy)\n", re.MULTILINE)
_SEAL = "// cerberus-annotate {version}, as installed: {digest}\n"
_SEALED = re.compile(r"(.*)// cerberus-annotate \S+, as installed: ([0-9a-f]{64})\n", re.DOTALL)

State = Literal["written", "unchanged", "kept"]


def source_folder() -> Path:
    """Where the scripts lie: inside the installed package, or beside it in a checkout."""
    package = Path(__file__).parents[1]
    installed = package / "qupath_scripts"
    return installed if installed.is_dir() else package.parent / "qupath_scripts"


def composed_scripts() -> dict[str, str]:
    """File name → the whole script, the parts that it names put in.  Raises ProjectError where they are not there."""
    folder = source_folder()
    sources = sorted(folder.glob("*.groovy"))
    if not sources:
        raise ProjectError(
            f"The scripts are not in {folder}: the installation is incomplete. Install the package again."
        )
    return {source.name: _composed(source.read_text("utf-8"), folder) for source in sources}


def _composed(text: str, folder: Path) -> str:
    return _PART.sub(lambda found: "\n" + (folder / found[1]).read_text("utf-8"), text)


def install_scripts(project_folder: Path) -> Mapping[str, State]:
    """Writes all scripts into the project's folder; file name → what happened.

    `kept`: the file that is there was changed, so it stays as it is. Raises ProjectError when the disk refuses.
    """
    states: dict[str, State] = {}
    for name, text in composed_scripts().items():
        path = project_folder / FOLDER / name
        content = _sealed(text)
        before = path.read_bytes().decode("utf-8", "replace").replace("\r\n", "\n") if path.exists() else None
        if before == content:
            states[name] = "unchanged"
        elif before is not None and not _is_as_installed(before):
            states[name] = "kept"
        else:
            write_whole(path, content.encode(), f"The script {name}")
            states[name] = "written"
    return states


def _sealed(text: str) -> str:
    """The script with a last line that tells whether anybody changed it."""
    return text + _SEAL.format(version=cerberus_annotate.__version__, digest=hashlib.sha256(text.encode()).hexdigest())


def _is_as_installed(content: str) -> bool:
    found = _SEALED.fullmatch(content)
    return found is not None and hashlib.sha256(found[1].encode()).hexdigest() == found[2]
