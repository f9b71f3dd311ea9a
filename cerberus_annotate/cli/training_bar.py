"""How far a training run is, on stderr."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

LINE_EVERY = 100


class TrainingBar:
    """A bar of steps with the losses on a terminal, a line every 100 steps elsewhere."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False)
        self._bar = Progress(
            TextColumn("training"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[losses]}"),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
            transient=True,
        )
        self._steps = self._bar.add_task("steps", total=None, losses="")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def show(self, done: int, total: int, losses: dict[str, float]) -> None:
        """Shows a step."""
        told = ", ".join(f"{task} {loss:.3f}" for task, loss in losses.items())
        self._bar.update(self._steps, completed=done, total=total, losses=told)
        if not self._console.is_terminal and (done % LINE_EVERY == 0 or done == total):
            self._console.print(f"step {done} of {total}: {told}", soft_wrap=True)
