"""What a fine-tune did and whether it paid, as Markdown and JSON."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cerberus_annotate
from cerberus_annotate.learn.evaluation.metrics import RESAMPLES
from cerberus_annotate.learn.evaluation.scores import estimate_json
from cerberus_annotate.learn.evaluation.tables import MEASURE_TITLES, TASK_TITLES, Table, as_markdown, cell, number
from cerberus_annotate.learn.finetuning.gate import GateRow, Verdict
from cerberus_annotate.learn.finetuning.run import Finetuned

HEADER = ("task", "measure", "parent", "new", "difference (95 % interval)")
INTERVALS = f"Intervals: {RESAMPLES:,} draws of the images with replacement, both models on the same draws."


@dataclass(frozen=True)
class Outcome:
    """A fine-tune with its verdict. command: that made it. default_before: the default model when it was made."""

    name: str
    command: str
    finetuned: Finetuned
    verdict: Verdict
    default_before: str

    @property
    def becomes_default(self) -> bool:
        """A model better than the default; one that is better than another parent was not compared with it."""
        return self.verdict.better and self.finetuned.parent == self.default_before

    def figures(self) -> list[dict[str, Any]]:
        """What the gate measured, as JSON."""
        return [_figure(row) for row in self.verdict.rows]

    def as_json(self) -> dict[str, Any]:
        """What `finetune --json` prints, and `report.json` holds."""
        done = self.finetuned
        return {
            "name": self.name,
            "weights": str(done.weights),
            "parent": done.parent,
            "parent_sha256": done.parent_sha256,
            "steps": done.steps,
            "best_step": done.best_step,
            "held_out": {"images": len(done.held_out.images), "by": done.held_out.by},
            "better": self.verdict.better,
            "reason": self.verdict.reason,
            "default": self.becomes_default,
            "figures": self.figures(),
            "looks": [{"step": step, "loss": round(loss, 5)} for step, loss in done.looks],
            "notes": list(done.notes),
            "version": cerberus_annotate.__version__,
            "command": self.command,
        }


def report_markdown(outcome: Outcome) -> str:
    """The report for people."""
    done, verdict = outcome.finetuned, outcome.verdict
    held = done.held_out
    lines = [
        f"# {outcome.name}, learnt from {done.parent}",
        "",
        f"{verdict.reason} It was {'' if outcome.becomes_default else 'not '}made the default model.",
        "",
        f"- {done.steps} steps; the weights are of step {done.best_step}"
        + (", which is the parent as it was." if done.best_step == 0 else "."),
        f"- Held out: {len(held.images)} image{'s' * (len(held.images) != 1)}, by {held.by}.",
        *(f"- {note}" for note in done.notes),
        "",
        as_markdown(gate_tables(verdict.rows)),
        "",
        INTERVALS,
        "",
        f"    {outcome.command}",
        "",
    ]
    return "\n".join(lines)


def gate_tables(rows: Sequence[GateRow]) -> list[Table]:
    """A table for each set of images, a row a measure."""
    return [
        Table(data, HEADER, tuple(_cells(row) for row in rows if row.data == data))
        for data in dict.fromkeys(row.data for row in rows)
    ]


def _cells(row: GateRow) -> tuple[str, ...]:
    task = TASK_TITLES.get(row.task, row.task)
    return (
        task if row.class_name is None else f"{task}: {row.class_name}",
        MEASURE_TITLES.get(row.measure, row.measure),
        number(row.measure, row.before.value),
        number(row.measure, row.after.value),
        cell(row.measure, row.difference),
    )


def _figure(row: GateRow) -> dict[str, Any]:
    return {
        "data": row.data,
        "task": row.task,
        "class": row.class_name,
        "measure": row.measure,
        "images": row.images,
        "before": estimate_json(row.before),
        "after": estimate_json(row.after),
        "difference": estimate_json(row.difference),
    }
