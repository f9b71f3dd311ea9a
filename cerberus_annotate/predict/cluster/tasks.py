"""Tasks on a cluster that are tried again where a worker dies or cannot do them."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any

from distributed import Future, KilledWorker

from cerberus_annotate.errors import CerberusError
from cerberus_annotate.predict.cluster.connection import Connection
from cerberus_annotate.predict.cluster.groups import Pace
from cerberus_annotate.predict.cluster.slots import LOOK_SECONDS, Slots
from cerberus_annotate.predict.cluster.worker import Compute, Job, Outcome, attempt, pack, unpack
from cerberus_annotate.predict.slide_work import SlideWork
from cerberus_annotate.predict.tile_objects import MissingTile, TileObjects
from cerberus_annotate.slide import Tile

ATTEMPTS = 3
"""At what fails on a worker, each on another worker where there is one."""
STRANDED: Outcome[Any] = Outcome("")
"""Of a task whose workers are gone."""
NEXT = 1
"""Priority of what must not wait; the others have negative ones."""


@dataclass
class Task:
    """Tiles that go out together.  failed: addresses of the workers that could not do it; only: of those that it was
    then sent to.

    suspect: a single tile of a task that the scheduler gave up because workers died while they had it.
    """

    tiles: Sequence[Tile] = ()
    failed: list[str] = field(default_factory=list)
    suspect: bool = False
    only: Sequence[str] = ()


def one_value(connection: Connection, step: Callable[..., Any], *args: Any) -> Any:
    """What `step(*args)` gives on the next free worker.  Raises CerberusError where workers cannot, ClusterError."""
    task = Task()
    while True:
        done: SimpleQueue[Future] = SimpleQueue()
        future = _send(connection, done, task, NEXT, step, *args)
        try:
            _next(connection, done, {future.key: (future, task)})
            if not future.done():
                continue
            outcome = _outcome(connection, future)
        finally:
            connection.forget(future)
        if outcome is None:
            outcome = Outcome("", failure="Workers of the cluster died again and again while they opened the slide.")
        if not outcome.failure:
            return outcome.value
        _note_failure(connection, task, outcome)


def all_results(
    connection: Connection,
    slots: Slots,
    pace: Pace,
    tiles: Sequence[Tile],
    job: Job,
    compute: Compute,
    work: SlideWork,
    *,
    priority: int,
) -> Iterator[TileObjects | MissingTile]:
    """What the tiles hold, from tasks that `compute` groups of them, as they come back; few are out at a time.

    The scheduler gives a task up when workers died four times while they had it, be it only in their queue. Its tiles
    then go out alone and one after the other, so that the one that is to blame, if any, is known; that one is missing.
    Raises as `one_value`.
    """
    line = _Line(tiles)
    out: dict[Any, tuple[Future, Task]] = {}
    done: SimpleQueue[Future] = SimpleQueue()
    try:
        while line or out:
            while line.ready(task for _, task in out.values()):
                if not out:
                    slots.take(connection.check)
                elif not slots.take_free():
                    break
                try:
                    task = line.next(pace, sum(connection.workers().values()))
                    # a suspect is the next that a worker begins, so that it does not die in the queue of another
                    at = NEXT if task.suspect else priority
                    future = _send(connection, done, task, at, pack, job, compute, work, task.tiles)
                except BaseException:
                    slots.give()
                    raise
                out[future.key] = future, task
            future, task = _next(connection, done, out)
            outcome = _outcome(connection, future) if future.done() else STRANDED
            if outcome is STRANDED:
                line.again.append(task)
            elif outcome is None:
                if task.suspect:
                    yield MissingTile(task.tiles[0], "Every worker of the cluster that computed it died.")
                else:
                    line.suspects += [Task([tile], suspect=True) for tile in task.tiles]
            elif outcome.failure:
                _note_failure(connection, task, outcome)
                line.again.append(task)
            else:
                pace.saw(len(task.tiles), outcome.seconds)
                yield from unpack(outcome.value or b"")
            del outcome, out[future.key]
            connection.forget(future)
            slots.give()
    finally:
        for future, _ in out.values():
            connection.forget(future)
            slots.give()


class _Line:
    """What of a slide is still to go out: `again` what failed, the tiles that are left, and then the `suspects`."""

    def __init__(self, tiles: Sequence[Tile]) -> None:
        self.again: deque[Task] = deque()
        self.suspects: deque[Task] = deque()
        self._left = deque(tiles)

    def __bool__(self) -> bool:
        return bool(self.again or self._left or self.suspects)

    def ready(self, out: Iterable[Task]) -> bool:
        """Whether something may go out beside what is `out`: suspects go one at a time."""
        if self.again or self._left:
            return True
        return bool(self.suspects) and not any(task.suspect for task in out)

    def next(self, pace: Pace, threads: int) -> Task:
        """The next to go out, where `threads` tasks are computed at a time."""
        if self.again:
            return self.again.popleft()
        if self._left:
            count = pace.tiles(len(self._left), max(1, threads))
            return Task([self._left.popleft() for _ in range(count)])
        return self.suspects.popleft()


def _send(connection: Connection, done: "SimpleQueue[Future]", task: Task, priority: int, *step: Any) -> Future:
    task.only = connection.others(task.failed)
    future = connection.submit(attempt, *step, priority=priority, only=task.only)
    future.add_done_callback(done.put)
    return future


def _next(
    connection: Connection, done: "SimpleQueue[Future]", out: Mapping[Any, tuple[Future, Task]]
) -> tuple[Future, Task]:
    """The next that is done, or that never will be because all workers that it was sent to are gone."""
    while True:
        try:
            key = done.get(timeout=LOOK_SECONDS).key
            if key in out:
                return out[key]
        except Empty:
            connection.check()
            there = connection.workers().keys()
            for future, task in out.values():
                if task.only and there.isdisjoint(task.only):
                    return future, task


def _outcome(connection: Connection, future: Future) -> Outcome[Any] | None:
    """What came of a task, None where workers died of it."""
    try:
        return future.result()
    except KilledWorker:
        return None
    except (CancelledError, OSError) as error:
        raise connection.lost() from error
    except Exception as error:
        # our own errors come as outcomes, so this is one of reading the task: other packages there, or other versions
        reason = f"{type(error).__name__}: {error}"
        return Outcome("", failure=f"A worker could not understand its task ({reason}); has it the same packages?")


def _note_failure(connection: Connection, task: Task, outcome: Outcome[Any]) -> None:
    """Raises CerberusError when a task failed too often."""
    connection.warn_of(outcome.worker, outcome.failure)
    task.failed.append(outcome.worker)
    if len(task.failed) >= ATTEMPTS:
        raise CerberusError(outcome.failure)
