"""What a class in QuPath means: a task, and a type of the vocabulary that labelled images share."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cerberus_annotate.annotate.classes import ClassTable
from cerberus_annotate.learn.data.label_names import GLAND_LABELS, NUCLEUS_LABELS
from cerberus_annotate.qupath.path_object import PathClass

TASKS = ("nuclei", "gland", "lumen")
VOCABULARY: Mapping[str, tuple[str, ...]] = {"nuclei": NUCLEUS_LABELS, "gland": GLAND_LABELS}
"""Types by task, by index; a lumen has none."""

_UNTYPED = frozenset({"", "nucleus", "nuclei", "gland", "lumen", "nolabel", "unlabelled"})


@dataclass(frozen=True)
class Meaning:
    """tasks: base name of a class → task. ours: text of a lab's class → text of our own for it."""

    tasks: Mapping[str, str]
    ours: Mapping[str, str]

    def type_of(self, task: str, text: str) -> str:
        """The type that a class names, such as `epithelial` of `Nucleus: Epithelial`; "" for none.

        A class of no task, which the pathologist gave to an object of ours, is a type as it stands.
        """
        text = self.ours.get(text, text)
        if not text:
            return ""
        names = PathClass.of(text).names
        names = names[1:] if self.tasks.get(names[0]) == task else names
        first = _label(names[0]) if names else ""
        if first in VOCABULARY.get(task, ()) or len(names) < 2:
            return "" if first in _UNTYPED else first
        return _label(" ".join(names))


def meaning_of(tables: Iterable[ClassTable]) -> Meaning:
    """What classes mean under several mappings at once, those of the runs and the lab's own.

    A lab's class that stands for several of ours, such as all types of nuclei, says no type.
    """
    tasks: dict[str, str] = {}
    ours: dict[str, str] = {}
    for table in (ClassTable(), *tables):
        for task in TASKS:
            tasks.update(dict.fromkeys(table.bases(task), task))
        for text, lab in table.names.items():
            known = ours.setdefault(str(lab), text)
            if known != text and PathClass.of(known).base == PathClass.of(text).base:
                ours[str(lab)] = PathClass.of(known).base
    return Meaning(tasks, ours)


def table_of(parameters: Mapping[str, Any]) -> ClassTable:
    """The mapping that a run was made with, from its record."""
    classes = parameters.get("classes")
    if not isinstance(classes, dict):
        return ClassTable()
    return ClassTable({text: PathClass.of(lab["name"]) for text, lab in classes.items()})


def with_new_types(labels: Mapping[str, Sequence[str]], found: Mapping[str, Iterable[str]]) -> dict[str, list[str]]:
    """Types by task with those in `found` that are not there yet at the end, so that indices keep their meaning."""
    grown = {task: list(labels.get(task, VOCABULARY[task])) for task in VOCABULARY}
    for task, names in found.items():
        if task in grown:
            grown[task] += sorted(set(names) - set(grown[task]) - {""})
    return grown


def _label(name: str) -> str:
    """As labels are written: lower case, words joined by hyphens, `surface-epi` for `Surface epithelium`."""
    words = name.lower().replace("_", " ").replace("-", " ").replace(";", " ").split()
    return "-".join("epi" if word == "epithelium" else word for word in words)
