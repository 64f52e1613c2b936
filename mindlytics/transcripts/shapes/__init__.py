"""The formats that people have their conversations in, one file each. ``detecting.py`` says which is whose.

A shape knows its records by ``detects``. A :class:`Shape` reads each record by itself, a :class:`GroupedShape` all
records with the same key together, at the end of the file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Union

from attrs import frozen

from ..context import Context, Record
from ..talk import Talk


@frozen
class Shape:
    """A format whose records are whole conversations.

    :param name: as ``--format`` takes it.
    :param detects: whether a record is of it.
    :param read: the conversations of a record.
    """

    name: str
    detects: Callable[[object], bool]
    read: Callable[[object, Context], Iterable[Talk]]


@frozen
class GroupedShape:
    """A format whose conversations are spread over records.

    :param read: the conversations of the records with the same key.
    :param group: the key of a record.
    :param link: the key of an earlier record whose group this one belongs to.
    """

    name: str
    detects: Callable[[object], bool]
    read: Callable[[list[Record], Context], Iterable[Talk]]
    group: Callable[[object, Context], str]
    link: Callable[[object], str | None] | None = None


AnyShape = Union[Shape, GroupedShape]
