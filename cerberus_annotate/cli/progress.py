"""How far a command is, on stderr."""

from collections.abc import Callable
from types import TracebackType
from typing import Self, TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from cerberus_annotate.feedback.runs import ImageRecord

LINE_EVERY = 100

Result = TypeVar("Result")


class Bars:
    """Bars with the time left on a terminal; elsewhere whatever a subclass says, line by line; nothing when quiet."""

    def __init__(self, quiet: bool) -> None:
        self._console = Console(stderr=True, quiet=quiet, highlight=False)
        self._lines = not quiet and not self._console.is_terminal
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[told]}"),
            TimeRemainingColumn(),
            console=self._console,
            disable=quiet or not self._console.is_terminal,
            transient=True,
        )

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def _say(self, line: str) -> None:
        self._console.print(line, markup=False, soft_wrap=True)


class RichProgress(Bars):
    """A bar of images and one of tiles on a terminal, elsewhere a line a tenth of the tiles; and one line an image."""

    def __init__(self, quiet: bool) -> None:
        super().__init__(quiet)
        self._name, self._tenths = "", 0
        self._images = self._bars.add_task("images", total=None, told="")
        self._tiles = self._bars.add_task("tiles", total=None, told="")

    def image_started(self, name: str, number: int, total: int) -> None:
        """See `annotate.run.Progress`."""
        self._bars.update(self._images, total=total, completed=number - 1)
        self._bars.reset(self._tiles, total=None, description=name, told="")
        self._name, self._tenths = name, 0

    def tiles(self, done: int, total: int, objects: int) -> None:
        """See `annotate.run.Progress`."""
        self._bars.update(self._tiles, completed=done, total=total, told=f"{objects:,} objects")
        tenths = 10 * done // max(total, 1)
        if self._lines and self._tenths < tenths < 10:
            self._say(f"{self._name}: {done:,} of {total:,} tiles, {objects:,} objects")
        self._tenths = tenths

    def image_finished(self, record: ImageRecord) -> None:
        """See `annotate.run.Progress`."""
        self._bars.advance(self._images)
        found = sum(record.objects.values())
        told = f"{found:,} objects, {record.seconds:.1f} s" if record.status == "done" else record.status
        self._say(f"{record.name}: {told}")


class ScoringProgress(Bars):
    """A bar of images on a terminal, a line every tenth of them elsewhere."""

    def __init__(self, quiet: bool, total: int, description: str) -> None:
        super().__init__(quiet)
        self._description = description
        self._total = total
        self._images = self._bars.add_task(description, total=total, told="")

    def __call__(self, done: int, name: str) -> None:
        """So many images are done, `name` being the last."""
        self._bars.update(self._images, completed=done)
        step = max(1, self._total // 10)
        if self._lines and (done % step == 0 or done == self._total):
            self._say(f"{self._description}: {done:,} of {self._total:,} images")


class TrainingProgress(Bars):
    """A bar of steps with the losses on a terminal, a line every 100 steps elsewhere."""

    def __init__(self) -> None:
        super().__init__(quiet=False)
        self._steps = self._bars.add_task("training", total=None, told="")

    def __call__(self, done: int, total: int, losses: dict[str, float]) -> None:
        """So many steps are done; the losses are those of the last, by task."""
        told = ", ".join(f"{task} {loss:.3f}" for task, loss in losses.items())
        self._bars.update(self._steps, completed=done, total=total, told=told)
        if self._lines and (done % LINE_EVERY == 0 or done == total):
            self._say(f"step {done} of {total}: {told}")


def with_bar(work: Callable[[Callable[[int, int, str], None]], Result]) -> Result:
    """What `work` gives, with a bar on a terminal's stderr; it is handed what tells images done, of all, and a name."""
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("")
        return work(lambda done, total, name: bar.update(task, completed=done, total=total, description=name))
