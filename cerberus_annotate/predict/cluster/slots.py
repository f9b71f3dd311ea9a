"""How many tasks are out at a time: enough that no worker waits, few enough that results do not pile up."""

import threading
from collections.abc import Callable

LOOK_SECONDS = 1.0
"""Between two looks at whether waiting still makes sense."""


class Slots:
    """Taken before a task goes out and given back when its result is in its place.

    limit: how many there are now; changes as workers come and go.
    """

    def __init__(self, limit: Callable[[], int]) -> None:
        self._limit = limit
        self._taken = 0
        self._waiting = 0
        self._changed = threading.Condition()

    def free(self) -> bool:
        """Whether one is free that nobody waits for."""
        with self._changed:
            return not self._waiting and self._taken < self._limit()

    def take_free(self) -> bool:
        """Takes one if one is free."""
        with self._changed:
            if self._taken >= self._limit():
                return False
            self._taken += 1
            return True

    def take(self, check: Callable[[], None]) -> None:
        """Waits for one; raises what `check` raises meanwhile."""
        with self._changed:
            self._waiting += 1
            try:
                while self._taken >= self._limit():
                    check()
                    self._changed.wait(LOOK_SECONDS)
                self._taken += 1
            finally:
                self._waiting -= 1

    def give(self) -> None:
        """Gives one back."""
        with self._changed:
            self._taken -= 1
            self._changed.notify()
