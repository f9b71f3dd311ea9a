"""Scores as tables, for the terminal and for Markdown."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cerberus_annotate.learn.evaluation.metrics import Estimate
from cerberus_annotate.learn.evaluation.scores import Confusion, Scores, TaskScores

if TYPE_CHECKING:
    from rich.table import Table as RichTable

TASK_TITLES = {
    "nuclei": "Nuclei",
    "nuclei_points": "Nuclei labelled by points",
    "gland": "Glands",
    "lumen": "Lumina",
    "semantic": "Foreground masks",
    "patch": "Patch classes",
}
MEASURE_TITLES = {
    "pq": "PQ",
    "sq": "SQ",
    "dq": "DQ",
    "aji": "AJI",
    "aji_plus": "AJI+",
    "dice": "Dice",
    "jaccard": "Jaccard",
    "precision": "precision",
    "recall": "recall",
    "boundary_f1": "boundary F1",
    "mpq": "mPQ",
    "mpq_plus": "mPQ+",
    "pq_pooled": "PQ, pooled",
    "type_macro_f1": "type macro F1 (matched nuclei)",
    "type_f_detection": "type F (as detections)",
    "f_detection": "F as detection",
    "detection_f1": "detection F1",
    "object_f1": "object F1",
    "object_dice": "object Dice",
    "object_hausdorff": "object Hausdorff (px)",
    "accuracy": "accuracy",
    "macro_f1": "macro F1",
    "f1": "F1",
    "ece": "calibration error",
}
SMALLER_IS_BETTER = ("object_hausdorff", "ece")
IN_PIXELS = ("object_hausdorff",)


@dataclass(frozen=True)
class Table:
    """Text in rows; every row is as long as `header`. notes: sentences below it."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()


def score_tables(scores: Scores) -> list[Table]:
    """Each task's measures, its classes and its confusion."""
    tables = []
    for task, found in scores.tasks.items():
        title = f"{TASK_TITLES[task]}, {images_in_words(len(found.images))}"
        rows = tuple(
            (MEASURE_TITLES[name], number(name, estimate.value), interval(name, estimate))
            for name, estimate in found.measures.items()
        )
        tables.append(Table(title, ("measure", "value", "95 % interval"), rows, found.notes))
        if found.per_class:
            tables.append(class_table(f"{TASK_TITLES[task]} by class", found))
        if found.confusion is not None:
            tables.append(confusion_table(f"{TASK_TITLES[task]}, true class by row, found by column", found.confusion))
    return tables


def class_table(title: str, scores: TaskScores) -> Table:
    """A row a class, a column a measure."""
    names = list(dict.fromkeys(name for of_class in scores.per_class.values() for name in of_class))
    rows = tuple(
        (label, *(cell(name, of_class.get(name)) for name in names)) for label, of_class in scores.per_class.items()
    )
    return Table(title, ("class", *(MEASURE_TITLES[name] for name in names)), rows)


def confusion_table(title: str, confusion: Confusion) -> Table:
    """Counts."""
    rows = tuple(
        (label, *(f"{count:,}" for count in row))
        for label, row in zip(confusion.true, confusion.counts.tolist(), strict=True)
    )
    return Table(title, ("", *confusion.found), rows)


def images_in_words(count: int) -> str:
    return f"{count:,} image{'' if count == 1 else 's'}"


def number(name: str, value: float) -> str:
    """Three digits, or whole pixels' first decimal."""
    return f"{value:.1f}" if name in IN_PIXELS else f"{value:.3f}"


def interval(name: str, estimate: Estimate) -> str:
    """Its two ends."""
    return f"{number(name, estimate.low)} to {number(name, estimate.high)}"


def cell(name: str, estimate: Estimate | None) -> str:
    """Value and interval, a dash where there is none."""
    return "–" if estimate is None else f"{number(name, estimate.value)} ({interval(name, estimate)})"


def as_markdown(tables: Sequence[Table]) -> str:
    """The tables below their titles."""
    parts = []
    for table in tables:
        lines = [f"### {table.title}", "", _line(table.header), _line(["---"] * len(table.header))]
        lines += [_line(row) for row in table.rows]
        for note in table.notes:
            lines += ["", note]
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(text.replace("|", "\\|") for text in cells) + " |"


def as_rich(table: Table) -> "RichTable":
    """The table for a terminal."""
    from rich import box
    from rich.table import Table as RichTable

    shown = RichTable(
        title=table.title,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        caption="\n".join(table.notes) or None,
        caption_justify="left",
    )
    for index, name in enumerate(table.header):
        shown.add_column(name, justify="left" if index == 0 else "right", overflow="fold")
    for row in table.rows:
        shown.add_row(*row)
    return shown
