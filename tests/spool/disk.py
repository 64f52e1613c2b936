"""A disk that loses its power: what a program asked of it is recorded, and replayed up to any of its calls.

What was synced is there afterwards. Of what was not, any part may be. Each sector that was written may be there, hold
what it held before, or hold anything if it held nothing. Each change of a directory may be there or not, in any order.
A sector is written whole or not at all, as disks promise it.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

from attrs import Factory, define

SECTOR = 512
SHORT_WRITES = 0.02
"""This share of the writes of events writes only the first half, as on a disk that is full."""
LEAST_EVENTS = 100
"""Bytes. What is smaller is a mark of the log. A batch is posted even if a full disk refuses its mark."""


@define(eq=False)
class File:
    now: bytearray = Factory(bytearray)
    synced: bytes = b""


@define(eq=False)
class Folder:
    """A directory: what it holds, what it held when it was synced, and the changes since, of one or more steps each."""

    now: dict[str, int] = Factory(dict)
    synced: dict[str, int] = Factory(dict)
    changes: list[list[tuple[str, int | None]]] = Factory(list)


class Disk:
    """A disk. Its files and directories are numbered. The number 0 is the root."""

    def __init__(self) -> None:
        self.nodes: dict[int, File | Folder] = {0: Folder()}

    def file(self, number: int) -> File:
        node = self.nodes[number]
        assert isinstance(node, File)
        return node

    def folder(self, number: int) -> Folder:
        node = self.nodes[number]
        assert isinstance(node, Folder)
        return node

    # -- what a program does to it. Each is an operation of a trace, by its name.

    def make(self, folder: int, name: str, number: int, is_folder: bool) -> None:
        self.nodes[number] = Folder() if is_folder else File()
        self.change(folder, [(name, number)])

    def change(self, folder: int, steps: list[tuple[str, int | None]]) -> None:
        it = self.folder(folder)
        for name, number in steps:
            _set(it.now, name, number)
        it.changes.append(steps)

    def write(self, number: int, data: bytes) -> None:
        self.file(number).now += data

    def truncate(self, number: int, size: int) -> None:
        del self.file(number).now[size:]

    def sync(self, number: int) -> None:
        node = self.nodes[number]
        if isinstance(node, File):
            node.synced = bytes(node.now)
        else:
            node.synced, node.changes = dict(node.now), []

    # -- what is left of it

    def fail(self, at_random: random.Random, place: Path) -> None:
        """Write what is on the disk after a loss of power to an empty directory."""
        share = at_random.choice([0.0, 1.0, at_random.random()])
        self._write_folder(0, at_random, share, place)

    def _write_folder(self, number: int, at_random: random.Random, share: float, place: Path) -> None:
        folder = self.folder(number)
        entries = dict(folder.synced)
        for steps in folder.changes:
            if at_random.random() < share:
                for name, its in steps:
                    _set(entries, name, its)
        for name, its in entries.items():
            node, path = self.nodes[its], place / name
            if isinstance(node, Folder):
                path.mkdir(0o700)
                self._write_folder(its, at_random, share, path)
            else:
                path.write_bytes(left_of(node, at_random, share))


def _set(entries: dict[str, int], name: str, number: int | None) -> None:
    if number is None:
        entries.pop(name, None)
    else:
        entries[name] = number


def left_of(file: File, at_random: random.Random, share: float) -> bytes:
    """The bytes of a file after a loss of power, of which that share of the unsynced sectors was written."""
    now, synced = file.now, file.synced
    size = len(now)
    if size > len(synced) and at_random.random() < 0.5:
        size = at_random.randint(len(synced), size) if share else len(synced)
    left = bytearray()
    for start in range(0, size, SECTOR):
        new, old = now[start : start + SECTOR], synced[start : start + SECTOR]
        if new == old or at_random.random() < share:
            left += new
        elif old or at_random.random() < 0.5:
            left += old.ljust(len(new), b"\0")
        else:
            left += at_random.randbytes(len(new))
    return bytes(left[:size])


class Recorder:
    """Records what the program does to a directory and all below it. Nothing is really synced.

    :param root: the directory, which is empty.
    :param at_random: decides which writes are short.
    """

    CALLS = ("open", "close", "dup", "write", "ftruncate", "fsync", "mkdir", "unlink", "rmdir", "rename", "replace")

    def __init__(self, root: Path, at_random: random.Random) -> None:
        self.trace: list[tuple[str, tuple[Any, ...]]] = []
        """What was done: the name of a method of a disk, or of a note, and its arguments."""
        self._root = str(root)
        self._at_random = at_random
        self._disk = Disk()
        self._numbers = itertools.count(1)
        self._opened: dict[int, int] = {}
        self._lock = threading.RLock()

    @contextlib.contextmanager
    def recording(self) -> Iterator[None]:
        """A context in which it records."""
        with contextlib.ExitStack() as stack:
            for name in self.CALLS:
                stack.enter_context(mock.patch.object(os, name, self._recorded(name, getattr(os, name))))
            yield

    def note(self, name: str, *values: Any) -> None:
        """Add something that does not concern the disk."""
        with self._lock:
            self.trace.append((name, values))

    def _recorded(self, name: str, really: Callable[..., Any]) -> Callable[..., Any]:
        do = getattr(self, f"_{name}")

        def call(*values: Any, **more: Any) -> Any:
            with self._lock:
                return do(really, *values, **more)

        return call

    def _do(self, name: str, *values: Any) -> None:
        self.trace.append((name, values))
        getattr(self._disk, name)(*values)

    def _place(self, path: Any) -> tuple[int, str] | None:
        """The directory of a path and the name there, or None if it is elsewhere."""
        text = os.fsdecode(path) if isinstance(path, (str, bytes, os.PathLike)) else ""
        if not text.startswith(f"{self._root}/"):
            return None
        *parents, name = text[len(self._root) + 1 :].split("/")
        folder = 0
        for parent in parents:
            folder = self._disk.folder(folder).now[parent]
        return folder, name

    def _open(self, really: Callable[..., int], path: Any, flags: int, *values: Any, **more: Any) -> int:
        descriptor = really(path, flags, *values, **more)
        if path == self._root or str(path) == self._root:
            self._opened[descriptor] = 0
        elif (place := self._place(path)) is not None:
            folder, name = place
            if name not in self._disk.folder(folder).now:
                self._do("make", folder, name, next(self._numbers), False)
            self._opened[descriptor] = self._disk.folder(folder).now[name]
        return descriptor

    def _close(self, really: Callable[..., None], descriptor: int) -> None:
        self._opened.pop(descriptor, None)
        really(descriptor)

    def _dup(self, really: Callable[..., int], descriptor: int) -> int:
        copy = really(descriptor)
        if descriptor in self._opened:
            self._opened[copy] = self._opened[descriptor]
        return copy

    def _write(self, really: Callable[..., int], descriptor: int, data: bytes) -> int:
        if descriptor not in self._opened:
            return really(descriptor, data)
        if len(data) > LEAST_EVENTS and self._at_random.random() < SHORT_WRITES:
            data = data[: len(data) // 2]
        written = really(descriptor, data)
        self._do("write", self._opened[descriptor], bytes(data[:written]))
        return written

    def _ftruncate(self, really: Callable[..., None], descriptor: int, size: int) -> None:
        really(descriptor, size)
        if descriptor in self._opened:
            self._do("truncate", self._opened[descriptor], size)

    def _fsync(self, really: Callable[..., None], descriptor: int) -> None:
        if descriptor in self._opened:
            self._do("sync", self._opened[descriptor])
        else:
            really(descriptor)

    def _mkdir(self, really: Callable[..., None], path: Any, *values: Any, **more: Any) -> None:
        really(path, *values, **more)
        if (place := self._place(path)) is not None:
            self._do("make", *place, next(self._numbers), True)

    def _unlink(self, really: Callable[..., None], path: Any, **more: Any) -> None:
        really(path, **more)
        if (place := self._place(path)) is not None:
            self._do("change", place[0], [(place[1], None)])

    _rmdir = _unlink

    def _rename(self, really: Callable[..., None], path: Any, to: Any, **more: Any) -> None:
        really(path, to, **more)
        old, new = self._place(path), self._place(to)
        if old is not None and new is not None:
            number = self._disk.folder(old[0]).now[old[1]]
            self._do("change", new[0], [(old[1], None), (new[1], number)])

    _replace = _rename
