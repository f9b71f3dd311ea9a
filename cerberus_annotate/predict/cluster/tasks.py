"""Tasks on a cluster that are tried again where a worker dies or cannot do them."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any

from distributed import Future, KilledWorker

from cerberus_annotate.errors import CerberusError
from cerberus_annotate.predict.cluster.connection import Connection
from cerberus_annotate.predict.cluster.groups import Pace
from cerberus_annotate.predict.cluster.slots import LOOK_SECONDS, Slots
from cerberus_annotate.predict.cluster.worker import Outcome, Results, attempt
from cerberus_annotate.predict.tile_objects import MissingTile, TileObjects
from cerberus_annotate.slide import Tile

ATTEMPTS = 3
"""At what fails on a worker, each on another worker where there is one."""
NEXT = 1
"""Priority of what must not wait; the others have negative ones."""


@dataclass
class Task:
    """Tiles that go out together.  failed: addresses of the workers that could not do it.

    suspect: a single tile of a task that the scheduler gave up because workers died while they had it.
    """

    tiles: Sequence[Tile] = ()
    failed: list[str] = field(default_factory=list)
    suspect: bool = False


def one_value(connection: Connection, step: Callable[..., Any], *args: Any) -> Any:
    """What `step(*args)` gives on the next free worker.  Raises CerberusError where workers cannot, ClusterError."""
    task = Task()
    while True:
        done: SimpleQueue[Future] = SimpleQueue()
        future = connection.submit(attempt, step, *args, priority=NEXT, but=task.failed)
        future.add_done_callback(done.put)
        try:
            outcome = _outcome(connection, _next(connection, done))
        finally:
            connection.forget(future)
        if outcome is None:
            outcome = Outcome("", failure="Workers of the cluster died again and again while they opened the slide.")
        if not outcome.failure:
            return outcome.value
        _note_failure(task, outcome)


def all_results(
    connection: Connection,
    slots: Slots,
    pace: Pace,
    tiles: Sequence[Tile],
    step: Callable[..., Results],
    *args: Any,
    priority: int,
) -> Iterator[TileObjects | MissingTile]:
    """What the tiles hold, from tasks `step(*args, group)`, as they come back; few of them are out at a time.

    The scheduler gives a task up when workers died four times while they had it, be it only in their queue. Its tiles
    then go out alone and one after the other, so that the one that is to blame, if any, is known; that one is missing.
    Raises as `one_value`.
    """
    left, again, suspects = deque(tiles), deque[Task](), deque[Task]()
    out: dict[Any, tuple[Future, Task]] = {}
    done: SimpleQueue[Future] = SimpleQueue()
    try:
        while left or again or suspects or out:
            while again or left or (suspects and not any(task.suspect for _, task in out.values())):
                if out and not slots.take_free():
                    break
                if not out:
                    slots.take(connection.check)
                try:
                    if again or not left:
                        task = (again or suspects).popleft()
                    else:
                        task = _first(left, pace, sum(connection.workers().values()))
                    # a suspect is the next that a worker begins, so that it does not die in the queue of another
                    at = NEXT if task.suspect else priority
                    future = connection.submit(attempt, step, *args, task.tiles, priority=at, but=task.failed)
                except BaseException:
                    slots.give()
                    raise
                out[future.key] = future, task
                future.add_done_callback(done.put)
            future = _next(connection, done)
            _, task = out[future.key]
            outcome = _outcome(connection, future)
            if outcome is None:
                if task.suspect:
                    yield MissingTile(task.tiles[0], "Every worker of the cluster that computed it died.")
                else:
                    suspects += [Task([tile], suspect=True) for tile in task.tiles]
            elif outcome.failure:
                _note_failure(task, outcome)
                again.append(task)
            else:
                pace.saw(len(task.tiles), outcome.seconds)
                yield from outcome.value or ()
            del outcome, out[future.key]
            connection.forget(future)
            slots.give()
    finally:
        for future, _ in out.values():
            connection.forget(future)
            slots.give()


def _first(left: deque[Tile], pace: Pace, threads: int) -> Task:
    return Task([left.popleft() for _ in range(pace.tiles(len(left), max(1, threads)))])


def _next(connection: Connection, done: "SimpleQueue[Future]") -> Future:
    """The next that is done."""
    while True:
        try:
            return done.get(timeout=LOOK_SECONDS)
        except Empty:
            connection.check()


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


def _note_failure(task: Task, outcome: Outcome[Any]) -> None:
    """Raises CerberusError when a task failed too often."""
    task.failed.append(outcome.worker)
    if len(task.failed) >= ATTEMPTS:
        raise CerberusError(outcome.failure)
