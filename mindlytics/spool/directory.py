"""The directory of all runs for one service, project and key: starting runs there, and taking over those of others.

A run belongs to the process that holds the lock on its lock file. The system releases the lock when the process ends,
in whatever way. The API key itself is never written.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from attrs import asdict, frozen

from . import porch
from .reading import UnknownVersion, size_of
from .run import LOCK, NO_LINK, SEGMENT_BYTES, Log, sync_directory

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

ABOUT = "about.json"
NEW = ".new-"
"""The name of a run's directory until it is locked."""
STALE = 3600.0
"""Seconds after which a half-made run is removed."""
DISK_RESERVE = 20
"""The divisor of a disk's size: this share of it is left free."""


class Unusable(Exception):
    """A spool can never work there. The message says why."""


@frozen
class Origin:
    """Where events come from and go to. A run is delivered only to its own origin.

    :param key: a short hash of the key.
    """

    service: str
    endpoint: str
    project: str
    key: str

    @classmethod
    def of(cls, service: str, endpoint: str, project: str, api_key: str) -> Origin:
        """The origin of a client."""
        return cls(service, endpoint, project, _short_hash("key", service, endpoint, project, api_key))

    @property
    def folder(self) -> str:
        """The name of its folder in a spool."""
        return f"{self.service}-{_short_hash('folder', self.service, self.endpoint, self.project, self.key)}"


def _short_hash(*parts: str) -> str:
    return hashlib.sha256("\0".join(("mindlytics spool", *parts)).encode()).hexdigest()[:12]


class Directory:
    """The runs of one origin within a spool.

    :param spool: the spool's directory.
    :param segment_bytes: bytes after which a log begins a new segment.
    """

    def __init__(self, spool: Path, origin: Origin, segment_bytes: int = SEGMENT_BYTES) -> None:
        self.spool = spool
        self.origin = origin
        self.path: Path = spool / origin.folder
        self._segment_bytes = segment_bytes
        self._open: dict[str, Log] = {}

    def prepare(self) -> None:
        """Make the directory if it is missing, readable only by its owner.

        :raises Unusable: it can never work.
        :raises OSError: it does not work at present.
        """
        if fcntl is None:
            raise Unusable("this system has no locks on files that end with their process")
        try:
            for path in (self.spool, self.path):
                _make(path)
                _check_is_own(path)
            if not os.access(self.path, os.W_OK | os.X_OK):
                raise PermissionError
        except (FileExistsError, NotADirectoryError):
            raise Unusable("it, or its parent, is not a directory") from None
        except PermissionError:
            raise Unusable("this user may not write there") from None
        self._describe()

    def _describe(self) -> None:
        about = self.path / ABOUT
        if not about.exists():
            new = self.path / f"{NEW}{os.urandom(8).hex()}"
            descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | NO_LINK, 0o600)
            with open(descriptor, "w", encoding="utf-8") as file:
                json.dump({"version": 1, **asdict(self.origin)}, file)
                file.flush()
                os.fsync(descriptor)
            new.replace(about)

    def begin(self) -> Log:
        """Make a new run, locked before others can see it.

        :raises OSError: the disk refuses.
        :raises Unusable: the directory has become unusable.
        """
        self.prepare()
        name = f"{time.time_ns():016x}-{os.getpid()}-{os.urandom(4).hex()}"
        new, path = self.path / (NEW + name), self.path / name
        new.mkdir(mode=0o700)
        lock = -1
        try:
            lock = os.open(new / LOCK, os.O_RDWR | os.O_CREAT | os.O_EXCL | NO_LINK, 0o600)
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            new.rename(path)
        except OSError:
            if lock >= 0:
                os.close(lock)
            with contextlib.suppress(OSError):
                (new / LOCK).unlink(missing_ok=True)
                new.rmdir()
            raise
        return self._opened(path, lock)

    def _opened(self, path: Path, lock: int) -> Log:
        log = self._open[path.name] = Log(path, lock, self._segment_bytes)
        return log

    def others(self) -> list[Path]:
        """The runs of other processes, dead or alive, oldest first."""
        return [path for path in runs(self.path) if path.name not in self._open]

    def let_go(self, log: Log, *, is_whole: bool = True) -> None:
        """Release a run of this process for others to take over. An empty one is removed.

        :param is_whole: False if some of its events are only on its porch.
        """
        self._open.pop(log.path.name, None)
        if log.is_settled and is_whole:
            log.remove()
        else:
            log.release()

    def close_in_child(self) -> None:
        """Close the parent's files in a forked child, and leave the parent's locks alone."""
        for log in self._open.values():
            log.close()
        self._open.clear()

    def take(self, path: Path) -> Log | None:
        """Take over a run of a dead process. Returns None if the process lives, or the log is unreadable.

        :raises OSError: the disk refuses.
        """
        lock = _locked(path)
        if lock is None:
            return None
        try:
            log = self._opened(path, lock)
        except BaseException as error:
            os.close(lock)
            if isinstance(error, UnknownVersion):
                return None
            raise
        left = porch.left_by(path.name, log.number)
        if left:
            try:
                log.append([record for _, record in left], left[0][0])
            except OSError:
                self.let_go(log, is_whole=False)
                raise
        porch.remove(path.name)
        return log

    def empty_porches(self, paths: Iterable[Path], max_bytes: int) -> None:
        """Move what dead processes left on their porches to their logs, since shared memory is scarce.

        :param max_bytes: bytes of logs from which on it stays where it is.
        """
        size = self.bytes_of_others()
        for path in paths:
            with contextlib.suppress(OSError):
                if size < max_bytes and porch.is_there(path.name):
                    size -= size_of(path)
                    log = self.take(path)
                    if log is not None:
                        self.let_go(log)
                    size += size_of(path)

    def adopt(self, path: Path) -> bool:
        """Move the run of a dead process here from the folder of another key. Returns False if the process lives.

        What is on its porch moves to its log before, since the porch is known by the run's place.

        :raises OSError: the disk refuses.
        """
        log = self.take(path)
        if log is None:
            return False
        try:
            if not log.is_settled:
                path.rename(self.path / path.name)
        finally:
            self.let_go(log)
        return True

    def bytes_of_others(self) -> int:
        """Bytes on disk of the runs of other processes."""
        return sum(size_of(path) for path in self.others())

    def is_disk_full(self) -> bool:
        """Whether the disk is so full that the spool leaves the rest to others."""
        try:
            found = os.statvfs(self.path)
        except OSError:
            return False
        return found.f_blocks > 0 and found.f_bavail * DISK_RESERVE < found.f_blocks

    def remove_stale(self) -> None:
        """Remove half-made runs of dead processes, and porches whose run is gone."""
        porch.remove_stale()
        with contextlib.suppress(OSError):
            for path in self.path.glob(f"{NEW}*"):
                if time.time() - path.lstat().st_mtime > STALE:
                    if path.is_dir():
                        (path / LOCK).unlink(missing_ok=True)
                        path.rmdir()
                    else:
                        path.unlink()


def _locked(path: Path) -> int | None:
    """Lock a run and return the lock's descriptor, or None if its process lives or the run is gone."""
    lock = os.open(path / LOCK, os.O_RDWR | os.O_CREAT | NO_LINK, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(lock).st_nlink:
            return lock
    except BlockingIOError:
        pass
    except BaseException:
        os.close(lock)
        raise
    os.close(lock)
    return None


def is_living(path: Path) -> bool:
    """Whether a process holds the run's lock."""
    try:
        lock = os.open(path / LOCK, os.O_RDONLY | NO_LINK)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


def _make(path: Path) -> None:
    """Make a directory and its parents, and sync their names, unless it is there."""
    if not path.is_dir():
        if not path.parent.exists():
            _make(path.parent)
        path.mkdir(mode=0o700, exist_ok=True)
        sync_directory(path.parent)


def _check_is_own(path: Path) -> None:
    found = path.lstat()
    if stat.S_ISLNK(found.st_mode):
        raise Unusable("it is a symbolic link")
    if not stat.S_ISDIR(found.st_mode):
        raise Unusable("it is not a directory")
    if found.st_uid != os.geteuid():
        raise Unusable("it belongs to another user")


def runs(folder: Path) -> list[Path]:
    """The runs in the folder of an origin, oldest first."""
    with contextlib.suppress(OSError):
        return [folder / name for name in sorted(os.listdir(folder)) if not name.startswith(".") and name != ABOUT]
    return []


def folders(spool: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """The contents of a spool: the folder of each origin, with its description."""
    with contextlib.suppress(OSError):
        for path in sorted(spool.iterdir()):
            with contextlib.suppress(OSError, ValueError):
                about = json.loads((path / ABOUT).read_text("utf-8"))
                if isinstance(about, dict) and about.get("version") == 1:
                    yield path, about
