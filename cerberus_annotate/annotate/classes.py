"""Our classes with their colours, and the lab's names for them."""

import tomllib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cerberus_annotate.annotate.regions import REGION_CLASS
from cerberus_annotate.errors import UsageError
from cerberus_annotate.objects.class_names import class_colour, class_name
from cerberus_annotate.qupath.path_object import PathClass

Colour = tuple[int, int, int]

_TYPE_OUTPUTS = {"Nuclei-TYPE": "nuclei", "Gland-TYPE": "gland", "Patch-Class": "tissue"}

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
        ours = PathClass.of(text, class_colour(text))
        base = self.names.get(ours.base)
        return ours if base is None else PathClass((*base.names, *ours.names[1:]), ours.colour)

    def bases(self, task: str) -> set[str]:
        """Base names of all classes that mean `task`: ours and the lab's."""
        base = TASK_BASES[task]
        mapped = (lab.base for text, lab in self.names.items() if PathClass.of(text).base == base)
        return {base, *mapped}

    def as_dict(self) -> dict[str, Any]:
        """The mapping as JSON can hold it."""
        return {
            text: {"name": str(lab), "colour": None if lab.colour is None else list(lab.colour)}
            for text, lab in sorted(self.names.items())
        }


def known_classes(*outputs: Mapping[str, Sequence[str]]) -> list[str]:
    """Every class that networks with these outputs (output name → channel names) can give, as QuPath prints it."""
    texts = dict.fromkeys(TASK_BASES.values())
    for channels in outputs:
        for output, task in _TYPE_OUTPUTS.items():
            names = channels.get(output, ())
            texts.update(dict.fromkeys(class_name(task, at, names) for at in range(len(names))))
    return [text for text in texts if text != "Tissue: Background"]


def read_classes(path: Path, known: Collection[str]) -> ClassTable:
    """The mapping in a TOML file: `"Nucleus: Epithelial" = { name = "Tumour", colour = "#c80000" }`, or just a name.

    known: the classes that may be mapped.  Raises UsageError that names the file and the entry.
    """
    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise UsageError(f"The class mapping {path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise UsageError(f"The class mapping {path} is no valid TOML: {error}.") from error
    for text in content:
        if text not in known:
            names = ", ".join(f'"{name}"' for name in known)
            raise UsageError(f'The class mapping {path} names "{text}", which is no class of ours. Known: {names}.')
    return ClassTable({text: _lab_class(path, text, value) for text, value in content.items()})


def _lab_class(path: Path, text: str, value: Any) -> PathClass:
    entry = {"name": value} if isinstance(value, str) else value
    if not isinstance(entry, dict) or not entry or entry.keys() - {"name", "colour"}:
        raise UsageError(
            f'The class mapping {path}: "{text}" needs a name, or a table with name and colour, '
            'such as { name = "Tumour", colour = "#c80000" }.'
        )
    name = entry.get("name", text)
    if name == REGION_CLASS:
        raise UsageError(
            f'The class mapping {path}: "{text}" cannot be {REGION_CLASS}, which says where to look: the '
            "next run would look inside these objects only."
        )
    try:
        colour = _colour(entry["colour"]) if "colour" in entry else class_colour(text)
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
