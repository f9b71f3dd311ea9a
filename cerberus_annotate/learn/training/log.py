"""What a training run did, as `losses.csv` and as TensorBoard events."""

import csv
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from cerberus_annotate.learn.training.plan import TASKS


class TrainingLog:
    """Means of the losses, named by `columns`, over every `every` steps; rows after `first` that a killed run left are
    taken out."""

    def __init__(self, folder: Path, first: int, every: int, active: bool, columns: tuple[str, ...] = TASKS) -> None:
        self._every, self._active, self._columns = every, active, columns
        self._sums: dict[str, list[float]] = {}
        self._started = time.monotonic()
        self._events: Any = None
        if not active:
            return
        path = folder / "losses.csv"
        kept = [row for row in _rows(path) if int(row[0]) <= first]
        self._file = path.open("w", newline="", encoding="utf-8")
        self._writer = csv.writer(self._file)
        self._writer.writerows([["step", "seconds", *columns], *kept])
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            return
        self._events = SummaryWriter(str(folder / "events"), purge_step=first)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._active:
            self._file.close()
        if self._events is not None:
            self._events.close()

    def add(self, step: int, losses: dict[str, float]) -> None:
        """Takes the losses of a step."""
        if not self._active:
            return
        for task, loss in losses.items():
            self._sums.setdefault(task, []).append(loss)
        if step % self._every == 0:
            means = {task: sum(values) / len(values) for task, values in self._sums.items()}
            seconds = round(time.monotonic() - self._started, 1)
            self._writer.writerow([step, seconds, *(f"{means[t]:.5f}" if t in means else "" for t in self._columns)])
            self._file.flush()
            if self._events is not None:
                for task, mean in means.items():
                    self._events.add_scalar(f"loss/{task}", mean, step)
            self._sums = {}


def _rows(path: Path) -> list[list[str]]:
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [row for row in csv.reader(file) if row and row[0].isdigit()]
