"""The lock that keeps our own processes off each other's projects; QuPath has none and heeds none."""

import contextlib
import errno
from collections.abc import Iterator
from pathlib import Path

import filelock

from cerberus_annotate.errors import ProjectError, ProjectLockedError

#: What a file system answers that has no locks, as some network shares.
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL}


class ProjectLock:
    """One lock a project, held by one process at a time; it may be taken again inside itself.

    It is the system's lock on the file `cerberus/lock`, which ends with the process whatever happens. Where the file
    system has no locks, the file `cerberus/lock.held` is made instead, with process and computer in it: a dead process
    of the same computer is noticed, one of another computer is not.
    """

    def __init__(self, project: Path) -> None:
        """project: the .qpproj file."""
        self._project = project
        self._folder = project.parent / "cerberus"
        self._lock: filelock.BaseFileLock = filelock.FileLock(
            self._folder / "lock", timeout=0, thread_local=False, fallback_to_soft=False
        )

    @contextlib.contextmanager
    def hold(self) -> Iterator[None]:
        """Raises ProjectLockedError, and ProjectError when the folder cannot be written to."""
        try:
            self._folder.mkdir(exist_ok=True)
            self._acquire()
        except filelock.Timeout:
            raise ProjectLockedError(
                f"Another run is at work on the project {self._project}. Wait for its end; {self._otherwise()}."
            ) from None
        except (OSError, NotImplementedError) as error:
            raise ProjectError(
                f"The project's folder {self._project.parent} cannot be written to: "
                f"{getattr(error, 'strerror', None) or error}."
            ) from error
        try:
            yield
        finally:
            self._lock.release()

    def _acquire(self) -> None:
        try:
            self._lock.acquire()
        except OSError as error:
            if isinstance(self._lock, filelock.SoftFileLock) or error.errno not in _NO_LOCKS:
                raise
            self._lock = filelock.SoftFileLock(self._folder / "lock.held", timeout=0, thread_local=False)
            self._lock.acquire()

    def _otherwise(self) -> str:
        if not isinstance(self._lock, filelock.SoftFileLock):
            return f"when there is none, another computer may hold {self._lock.lock_file}"
        holder = "a process"
        with contextlib.suppress(OSError, ValueError, IndexError):
            process, computer = Path(self._lock.lock_file).read_text("utf-8").split()[:2]
            holder = f"process {process} on the computer {computer}"
        return f"it is {holder}; when that is dead, delete {self._lock.lock_file}"
