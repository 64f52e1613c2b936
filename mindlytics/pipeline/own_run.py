"""The run of this process in the spool: its log and its porch, made with the first event.

If the disk refuses or is full, events stay in memory, and the disk is tried again. ``spooler.py`` carries the events,
and ``leftovers.py`` takes over the runs of others.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from attrs import fields

from ..errors import InvalidSetting
from ..setting_rules import label
from ..settings import Settings
from ..spool.directory import Directory, Origin, Unusable
from ..spool.porch import Porch
from ..spool.run import SEGMENT_BYTES, Log
from .durable import DurableIntake, NoPorch
from .waiting import clock

logger: logging.Logger = logging.getLogger("mindlytics")

TRY_AGAIN = 5.0
"""Seconds before a disk that refused is tried again, and between two checks of its free space."""

_said: set[str] = set()


class OwnRun:
    """The run of this process. One thread at a time may use it.

    :param intake: the queue that copies events to the run's porch.
    """

    def __init__(self, settings: Settings, directory: Directory, intake: DurableIntake) -> None:
        self.directory = directory
        self.log: Log | None = None
        """Its log, once it was made."""
        self.is_full: bool = False
        """Whether the disk lacks room for the events that wait in memory."""
        self.is_down: bool = False
        """Whether the disk refused the latest events."""
        self.down_until: float = 0.0
        """The disk is not tried again before that time."""
        self._settings = settings
        self._intake = intake
        self._looked_at = -TRY_AGAIN
        self._others_bytes = 0

    def append(self, entries: list[Any], written: Callable[[], object]) -> bool:
        """Append encoded events to the log. Returns False if they stay in memory.

        :param written: called after the write, before the events can be read.
        """
        if clock() < self.down_until:
            return False
        try:
            log = self._checked()
            records = [(account, number, data) for number, account, _, data, _ in entries]
            size = sum([len(data) for _, _, data in records])
            if self.is_full or self._others_bytes + log.size + size > self._settings.spool_max_bytes:
                self.is_full = True
                return False
            log.append(records, time.time(), written)
        except (OSError, Unusable) as error:
            self._failed(error)
            return False
        if self.is_down:
            self.is_down = False
            logger.info("the spool works again")
        return True

    def _checked(self) -> Log:
        """The log. Now and then, look whether it is still there, and what room the disk has."""
        now = clock()
        is_to_look = now - self._looked_at >= TRY_AGAIN or self.is_full or self.is_down
        if self.log is not None and is_to_look and not self.log.is_there:
            if not self.log.is_settled:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
            self.directory.let_go(self.log)
            self.log = None
        if self.log is None:
            is_to_look = True
        log = self.log or self._begin()
        if is_to_look:
            self._looked_at = now
            self._others_bytes = self.directory.bytes_of_others()
            self.is_full = self.directory.is_disk_full()
        return log

    def open_porch(self) -> None:
        """Make the porch, and the log before it, unless the disk refuses."""
        try:
            if self.log is None:
                self._begin()
            else:
                self._make_porch(self.log)
        except (OSError, Unusable) as error:
            self._failed(error)

    def _begin(self) -> Log:
        self.log = self.directory.begin()
        self._make_porch(self.log)
        return self.log

    def _make_porch(self, log: Log) -> None:
        former = self._intake.porch
        if self._settings.before_send is None:  # it has to see events before anything is written
            try:
                self._intake.porch = Porch(log.path)
            except OSError as error:
                self._intake.porch = NoPorch()
                _say_once(f"there is no shared memory ({error.strerror or error}): a kill may lose the latest events")
        self._intake.is_opened, self._intake.is_stuck = True, False
        former.remove()

    def _failed(self, error: Exception) -> None:
        self.down_until = clock() + TRY_AGAIN
        if not self.is_down:
            self.is_down = True
            why = getattr(error, "strerror", None) or str(error)
            logger.warning("the spool %s cannot be written (%s); events stay in memory", self.directory.spool, why)

    def sync(self) -> None:
        """Sync what was written to the disk."""
        if self.log is not None:
            with contextlib.suppress(OSError):
                self.log.sync()

    def close(self, *, is_exit: bool) -> None:
        """Remove the porch, since all its events are in the log, and release the log for others to take over.

        :param is_exit: the process ends now, which releases the lock.
        """
        intake = self._intake
        former, intake.porch, intake.is_opened = intake.porch, NoPorch(), False
        former.remove()
        if self.log is not None and (self.log.is_settled or not is_exit):
            self.directory.let_go(self.log)
            self.log = None

    def leave(self) -> None:
        """In a forked child: all of this is the parent's."""
        self.directory.close_in_child()
        self._intake.porch.leave()


def _say_once(words: str) -> None:
    if words not in _said:
        _said.add(words)
        logger.warning("%s", words)


def origin_of(settings: Settings) -> Origin:
    """The origin of a client's events."""
    return Origin.of(settings.service, settings.server_endpoint, settings.project_id, settings.api_key.reveal())


def open_directory(settings: Settings) -> Directory:
    """The directory of a client's runs, made if it is missing.

    :raises InvalidSetting: it can never work.
    """
    assert settings.spool is not None
    segment_bytes = min(SEGMENT_BYTES, settings.spool_max_bytes // 8)
    directory = Directory(Path(settings.spool), origin_of(settings), segment_bytes)
    try:
        directory.prepare()
        directory.remove_stale()
    except Unusable as error:
        name = label(fields(Settings).spool)
        raise InvalidSetting(f"{name}: {settings.spool} cannot be used: {error}") from None
    except OSError:  # it may pass; it is logged and tried again
        pass
    return directory
