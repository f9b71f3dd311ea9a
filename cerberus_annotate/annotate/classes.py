"""Our classes with their colours, and the lab's names for them."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cerberus_annotate.errors import UsageError
from cerberus_annotate.qupath.path_object import PathClass

Colour = tuple[int, int, int]

DEFAULT_COLOURS: Mapping[str, Colour] = {
    "Nucleus": (40, 90, 200),
    "Nucleus: Epithelial": (0, 160, 60),
    "Nucleus: Lymphocyte": (30, 110, 230),
    "Nucleus: Neutrophil": (230, 60, 40),
    "Nucleus: Plasma": (0, 190, 210),
    "Nucleus: Eosinophil": (240, 120, 180),
    "Nucleus: Connective": (240, 170, 0),
    "Nucleus: Inflammatory": (60, 60, 240),
    "Nucleus: Other": (120, 120, 120),
    "Gland": (150, 30, 160),
    "Gland: Surface epithelium": (210, 80, 220),
    "Lumen": (0, 200, 200),
    "Tissue": (128, 128, 128),
    "Tissue: Abnormal epithelium": (200, 0, 60),
    "Tissue: Normal epithelium": (0, 150, 90),
    "Tissue: Inflammatory": (70, 70, 220),
    "Tissue: Muscle": (170, 90, 50),
    "Tissue: Stroma": (220, 170, 110),
    "Tissue: Debris": (90, 90, 90),
    "Tissue: Mucous": (120, 190, 230),
    "Tissue: Adipose": (240, 220, 90),
}
"""Every class that a model of ours can give, as QuPath prints it."""

TASK_BASES: Mapping[str, str] = {
    "nuclei": "Nucleus",
    "gland": "Gland",
    "lumen": "Lumen",
    "tissue": "Tissue",
    "outline": "Tissue",
}
"""Base name of each task's classes; `outline` is the outline of all tissue."""


@dataclass(frozen=True)
class ClassTable:
    """Our class text → the lab's class; what is not named keeps our name and colour."""

    names: Mapping[str, PathClass] = field(default_factory=dict)

    def path_class(self, text: str) -> PathClass:
        """The class to write for one of ours.  A derived class follows its base when only that is mapped."""
        if text in self.names:
            return self.names[text]
        ours = PathClass.of(text, DEFAULT_COLOURS.get(text, (128, 128, 128)))
        base = self.names.get(ours.base)
        return ours if base is None else PathClass((*base.names, *ours.names[1:]), ours.colour)

    def bases(self, task: str) -> set[str]:
        """Base names of all classes that mean `task`: ours and the lab's."""
        base = TASK_BASES[task]
        ours = (text for text in (*DEFAULT_COLOURS, *self.names) if PathClass.of(text).base == base)
        return {base, *(self.path_class(text).base for text in ours)}

    def as_dict(self) -> dict[str, Any]:
        """The mapping as JSON can hold it."""
        return {
            text: {"name": str(lab), "colour": None if lab.colour is None else list(lab.colour)}
            for text, lab in sorted(self.names.items())
        }


def read_classes(path: Path) -> ClassTable:
    """The mapping in a TOML file: `"Nucleus: Epithelial" = { name = "Tumour", colour = "#c80000" }`, or just a name.

    Raises UsageError that names the file and the entry.
    """
    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise UsageError(f"The class mapping {path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise UsageError(f"The class mapping {path} is no valid TOML: {error}.") from error
    return ClassTable({text: _lab_class(path, text, value) for text, value in content.items()})


def _lab_class(path: Path, text: str, value: Any) -> PathClass:
    if text not in DEFAULT_COLOURS:
        known = ", ".join(f'"{name}"' for name in DEFAULT_COLOURS)
        raise UsageError(f'The class mapping {path} names "{text}", which is no class of ours. Known: {known}.')
    entry = {"name": value} if isinstance(value, str) else value
    if not isinstance(entry, dict) or not entry or entry.keys() - {"name", "colour"}:
        raise UsageError(
            f'The class mapping {path}: "{text}" needs a name, or a table with name and colour, '
            'such as { name = "Tumour", colour = "#c80000" }.'
        )
    name = entry.get("name", text)
    try:
        colour = _colour(entry["colour"]) if "colour" in entry else DEFAULT_COLOURS[text]
        return PathClass.of(name, colour)
    except (ValueError, TypeError, AttributeError) as error:
        raise UsageError(f'The class mapping {path}, "{text}": {error}.') from error


def _colour(value: Any) -> Colour:
    """`#rrggbb` or three numbers from 0 to 255."""
    if isinstance(value, str) and len(value) == 7 and value.startswith("#"):
        red, green, blue = bytes.fromhex(value[1:])
        return red, green, blue
    if isinstance(value, list) and len(value) == 3 and all(type(v) is int and 0 <= v <= 255 for v in value):
        return value[0], value[1], value[2]
    raise ValueError(f'{value!r} is no colour; write "#rrggbb" or three numbers from 0 to 255')
