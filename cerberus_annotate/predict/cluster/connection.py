"""The way to a Dask scheduler, and whether it and its workers are still there."""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from distributed import Client, Future

from cerberus_annotate.errors import CerberusError, ClusterError, UsageError

logger = logging.getLogger("cerberus_annotate")

CONNECT_SECONDS = 10
CLOSE_SECONDS = 3
WORKERS_SECONDS = 2.0
"""The list of workers is at most so old."""
NO_WORKER_SECONDS = 60.0
"""Between two sentences that say that there is none."""

LOST = (
    "The Dask scheduler at {address} was lost. Finished images are kept, the others are as they were; start the "
    "cluster again, and the same command goes on."
)


@contextmanager
def connected(address: str) -> Iterator[Client]:
    """A client of the scheduler at `address` (`tcp://host:8786`, `tls://…`).  Raises UsageError where none answers."""
    # what these say of a lost scheduler, we say in a sentence
    for name in ("distributed.client", "distributed.core", "distributed.comm"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        client = Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, TimeoutError, ValueError, TypeError) as error:
        raise UsageError(
            f"No Dask scheduler answers at {address} ({error or type(error).__name__}). Start one with `dask "
            "scheduler` and give the address that it prints, such as tcp://host:8786."
        ) from error
    try:
        yield client
    finally:
        # one without a scheduler cannot say goodbye to it
        with suppress(OSError, TimeoutError, RuntimeError):
            client.close(timeout=CLOSE_SECONDS)


class Connection:
    """A client that may be used from several threads, until it is stopped or its scheduler is lost."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self._address = client.scheduler.address
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._workers: dict[str, int] = {}
        self._asked = 0.0
        self._last_seen = time.monotonic()
        self._futures: set[Future] = set()
        self._warned_of: set[str] = set()

    def check(self) -> None:
        """Raises ClusterError where the scheduler is lost, CerberusError after `stop`; says when no worker is there."""
        if self._stopped.is_set():
            raise CerberusError("The run was stopped.")
        if self.client.status != "running":
            raise self.lost()
        now = time.monotonic()
        if self.workers():
            self._last_seen = now
        elif now - self._last_seen > NO_WORKER_SECONDS:
            self._last_seen = now
            logger.warning("The cluster at %s has no worker now; waiting for one to join.", self._address)

    def lost(self) -> CerberusError:
        """Why nothing comes any more."""
        if self._stopped.is_set():
            return CerberusError("The run was stopped.")
        return ClusterError(LOST.format(address=self._address))

    def workers(self) -> dict[str, int]:
        """Address → tasks that the worker computes at a time.  Raises ClusterError."""
        with self._lock:
            if time.monotonic() - self._asked > WORKERS_SECONDS:
                try:
                    self._workers = dict(self.client.nthreads())
                except (OSError, ValueError, RuntimeError) as error:
                    raise self.lost() from error
                self._asked = time.monotonic()
            return self._workers

    def submit(self, step: Callable[..., Any], *args: Any, priority: int, only: Sequence[str]) -> Future:
        """Sends a task, to `only` these workers where there are any.  Raises ClusterError."""
        self.check()
        future = self.client.submit(step, *args, pure=False, priority=priority, workers=list(only) or None)
        with self._lock:
            self._futures.add(future)
        return future

    def others(self, failed: Sequence[str]) -> list[str]:
        """The workers but those of `failed`; none where all may be asked, or nobody else is there."""
        return [address for address in self.workers() if address not in failed] if failed else []

    def warn_of(self, worker: str, failure: str) -> None:
        """Says that a worker failed, once for each."""
        if worker not in self._warned_of:
            self._warned_of.add(worker)
            logger.warning("%s Others are tried.", failure)

    def forget(self, future: Future) -> None:
        """Lets go of a task and its result."""
        with self._lock:
            self._futures.discard(future)
        future.release()

    def stop(self) -> None:
        """Cancels all tasks; workers end what they are computing and throw it away."""
        self._stopped.set()
        with self._lock:
            futures = list(self._futures)
        if futures and self.client.status == "running":
            self.client.cancel(futures, force=True)
