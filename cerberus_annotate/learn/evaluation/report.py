"""What an evaluation leaves: JSON, Markdown, and a folder with plots."""

import csv
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cerberus_annotate
from cerberus_annotate.learn.data.labelled_image import LabelledImage
from cerberus_annotate.learn.evaluation.examples import draw_examples
from cerberus_annotate.learn.evaluation.metrics import RESAMPLES, SEED
from cerberus_annotate.learn.evaluation.plots import plot_classes, plot_confusion
from cerberus_annotate.learn.evaluation.prediction import Prediction
from cerberus_annotate.learn.evaluation.scores import Scores
from cerberus_annotate.learn.evaluation.tables import TASK_TITLES, Table, as_markdown, score_tables

INTERVALS = f"Intervals: 95 %, {RESAMPLES:,} draws of the images with replacement, seed {SEED}."


@dataclass(frozen=True)
class Evaluation:
    """The scores of one model on one data set. sha256: of the weights.  split: None for all images."""

    model: str
    sha256: str
    data: str
    split: str | None
    command: str
    scores: Scores

    def as_json(self) -> dict[str, Any]:
        """What `evaluate --json` prints."""
        return {
            "model": self.model,
            "data": self.data,
            "split": self.split,
            "images": self.scores.images,
            "tasks": self.scores.as_json(),
            "sha256": self.sha256,
            "version": cerberus_annotate.__version__,
            "command": self.command,
            "seed": SEED,
        }


def write_report(
    folder: Path,
    evaluation: Evaluation,
    read: Callable[[str], LabelledImage],
    predict: Callable[[LabelledImage], Prediction],
) -> list[Path]:
    """Writes `scores.json`, `report.md`, `images.csv` and the plots into a folder, and gives the plots' paths.

    `read` gives an image by its name; the few that are shown are predicted again.
    """
    folder.mkdir(parents=True, exist_ok=True)
    plots = []
    for task, scores in evaluation.scores.tasks.items():
        title = f"{TASK_TITLES[task]}: {evaluation.model} on {evaluation.data}"
        if scores.confusion is not None and scores.confusion.counts.size:
            plots.append(folder / f"{task}-confusion.png")
            plot_confusion(scores.confusion, title, plots[-1])
        if scores.per_class:
            plots.append(folder / f"{task}-classes.png")
            plot_classes(scores.per_class, title, plots[-1])
        plots.append(folder / f"{task}-images.png")
        draw_examples(task, scores, read, predict, plots[-1])
    content = json.dumps(evaluation.as_json(), ensure_ascii=False, indent=1)
    (folder / "scores.json").write_text(content + "\n", "utf-8")
    _write_images(folder / "images.csv", evaluation.scores)
    heading = f"{evaluation.model} on {evaluation.data}{'' if evaluation.split is None else f', {evaluation.split}'}"
    text = markdown_report(heading, evaluation.command, score_tables(evaluation.scores), [path.name for path in plots])
    (folder / "report.md").write_text(text, "utf-8")
    return plots


def markdown_report(heading: str, command: str, tables: Sequence[Table], pictures: Sequence[str] = ()) -> str:
    """A page: the command, the tables, the pictures."""
    parts = [f"# {heading}", f"    {command}", as_markdown(tables), INTERVALS]
    parts += [f"![{name.removesuffix('.png')}]({name})" for name in pictures]
    return "\n\n".join(parts) + "\n"


def _write_images(path: Path, scores: Scores) -> None:
    """One line an image and task: every measure of it, so that any other statistic can be had."""
    lines = [
        {"task": task, "image": each.name, **{name: round(value, 6) for name, value in each.values.items()}}
        for task, found in scores.tasks.items()
        for each in found.images
    ]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(dict.fromkeys(name for line in lines for name in line)))
        writer.writeheader()
        writer.writerows(lines)
