"""How many tiles a task has: enough that starting it costs nothing, few enough that a lost one does not matter."""

import threading

SHORTEST, LONGEST = 5.0, 30.0
"""Seconds of computing that a task is to take, where the slide has so many tiles."""
MOST_TILES = 32
"""Their objects take some 5 MB a tile on dense tissue, in the worker's memory and on the way."""
FIRST_GUESS = 5.0
NEWEST_WEIGHT = 0.3


class Pace:
    """How long a tile takes, as the finished tasks tell."""

    def __init__(self) -> None:
        self._seconds = FIRST_GUESS
        self._measured = False
        self._lock = threading.Lock()

    def saw(self, tiles: int, seconds: float) -> None:
        """A task of so many tiles took so long."""
        with self._lock:
            weight = NEWEST_WEIGHT if self._measured else 1.0
            self._seconds += weight * (seconds / tiles - self._seconds)
            self._measured = True

    def tiles(self, left: int, slots: int) -> int:
        """How many of the `left` tiles of a slide the next task takes, where `slots` tasks run at a time.

        The tasks become shorter towards the end of the slide, so that the workers end together.
        """
        most = min(self._tiles_in(LONGEST), MOST_TILES)
        least = min(self._tiles_in(SHORTEST), most)
        return min(left, max(least, min(most, -(-left // (2 * slots)))))

    def _tiles_in(self, seconds: float) -> int:
        return max(1, int(seconds / max(self._seconds, 1e-6)))
