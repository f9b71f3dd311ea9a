"""The QuPath that paquo would use, and whether this engine can work with it; nothing of Java is started here."""

import re
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from cerberus_annotate.errors import UsageError

WAY_OUT = "Use --engine native, which needs neither Java nor QuPath."
#: First and last (major, minor) of QuPath that this engine takes; 0.6 is the last that paquo 0.9 was made for.
OLDEST, NEWEST = (0, 5), (0, 6)


@dataclass(frozen=True)
class Installation:
    """A QuPath on this computer.

    jars: folder of its classes. version: as told by the names of the jars, "" when they do not. paquo: its version.
    finding: what paquo's finder returned (jars, runtime, JVM library, options).
    """

    jars: Path
    version: str
    paquo: str
    finding: Any


def find_installation() -> Installation:
    """By paquo's configuration: PAQUO_QUPATH_DIR, .paquo.toml, the usual places.

    Raises UsageError that says what is missing.
    """
    try:
        from paquo import settings
        from paquo._config import to_kwargs
        from paquo.jpype_backend import find_qupath
    except ImportError as error:
        raise UsageError(
            f"The paquo engine needs the package paquo, which is not installed ({error}). Install it with "
            f"`pip install 'cerberus-annotate[paquo]'`. {WAY_OUT}"
        ) from error
    wanted = str(settings.get("qupath_dir") or "")
    try:
        finding = find_qupath(**to_kwargs(settings))
    except (ValueError, OSError) as error:
        where = (
            f"in the folder {wanted} that PAQUO_QUPATH_DIR or .paquo.toml names" if wanted else "in the usual places"
        )
        raise UsageError(
            f"The paquo engine needs QuPath, and there is none {where}. Set PAQUO_QUPATH_DIR to the folder of "
            f"QuPath {_release(OLDEST)} to {_release(NEWEST)}. {WAY_OUT}"
        ) from error
    jars = Path(finding.app_dir)
    return Installation(jars, _version_of_jars(jars), metadata.version("paquo"), finding)


def _version_of_jars(folder: Path) -> str:
    """The version in a name such as `qupath-core-0.6.0.jar`."""
    found = (re.fullmatch(r"qupath-core(?:-processing)?-v?(\d.*)\.jar", path.name) for path in sorted(folder.iterdir()))
    return next((match[1] for match in found if match), "")


def refuse_unsupported(version: str, where: Path) -> None:
    """Raise UsageError when `version` of QuPath is one that this engine cannot work with; "" is let pass."""
    found = re.match(r"v?(\d+)\.(\d+)", version)
    if found is None:
        return
    release = int(found[1]), int(found[2])
    if release > NEWEST:
        raise UsageError(
            f"The QuPath at {where} is {version}, newer than {_release(NEWEST)}, the last one that paquo "
            f"{metadata.version('paquo')} was made for. {WAY_OUT} Or set PAQUO_QUPATH_DIR to an older QuPath."
        )
    if release < OLDEST:
        raise UsageError(
            f"The QuPath at {where} is {version}; before {_release(OLDEST)} its objects have no metadata that a "
            f"program can write. {WAY_OUT} Or set PAQUO_QUPATH_DIR to a newer QuPath, up to {_release(NEWEST)}."
        )


def _release(numbers: tuple[int, int]) -> str:
    return f"{numbers[0]}.{numbers[1]}"
