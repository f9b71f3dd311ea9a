"""How far a run is, on stderr."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from cerberus_annotate.feedback.runs import ImageRecord


class RichProgress:
    """A bar of images and one of tiles on a terminal, one line an image elsewhere; nothing when quiet."""

    def __init__(self, quiet: bool) -> None:
        self._console = Console(stderr=True, quiet=quiet, highlight=False)
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[objects]}"),
            TimeRemainingColumn(),
            console=self._console,
            disable=quiet or not self._console.is_terminal,
            transient=True,
        )
        self._images = self._bars.add_task("images", total=None, objects="")
        self._tiles = self._bars.add_task("tiles", total=None, objects="")

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def image_started(self, name: str, number: int, total: int) -> None:
        """See `annotate.run.Progress`."""
        self._bars.update(self._images, total=total, completed=number - 1)
        self._bars.reset(self._tiles, total=None, description=name, objects="")

    def tiles(self, done: int, total: int, objects: int) -> None:
        """See `annotate.run.Progress`."""
        self._bars.update(self._tiles, completed=done, total=total, objects=f"{objects:,} objects")

    def image_finished(self, record: ImageRecord) -> None:
        """See `annotate.run.Progress`."""
        self._bars.advance(self._images)
        found = sum(record.objects.values())
        told = f"{found:,} objects, {record.seconds:.1f} s" if record.status == "done" else record.status
        self._console.print(f"{record.name}: {told}", markup=False, soft_wrap=True)


class ScoringProgress:
    """A bar of images with the time left on a terminal, a line every tenth of them elsewhere; nothing when quiet."""

    def __init__(self, quiet: bool, total: int, description: str) -> None:
        self._console = Console(stderr=True, quiet=quiet, highlight=False)
        self._lines = not quiet and not self._console.is_terminal
        self._description = description
        self._total = total
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=self._console,
            disable=quiet or not self._console.is_terminal,
            transient=True,
        )
        self._images = self._bar.add_task(description, total=total)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def __call__(self, done: int, name: str) -> None:
        """So many images are done, `name` being the last."""
        self._bar.update(self._images, completed=done)
        step = max(1, self._total // 10)
        if self._lines and (done % step == 0 or done == self._total):
            told = f"{self._description}: {done:,} of {self._total:,} images"
            self._console.print(told, markup=False, soft_wrap=True)
