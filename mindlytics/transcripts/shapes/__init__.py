"""The formats that people have their conversations in, one file each. ``detecting.py`` says which is whose.

A shape knows its records by :attr:`Shape.detects`. Most read each record by itself. Of those with a ``group``, all
records with the same key are read together, at the end of the file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from attrs import frozen

from ..context import Context
from ..talk import Talk


@frozen
class Shape:
    """A format.

    :param name: as ``--format`` takes it.
    :param detects: whether a record is of it.
    :param read: the conversations of a record, or of a list of :class:`~mindlytics.transcripts.context.Record`.
    :param group: the key of the records that are read together; None where each is read by itself.
    :param link: the key of an earlier record whose group this one belongs to.
    """

    name: str
    detects: Callable[[Any], bool]
    read: Callable[[Any, Context], Iterable[Talk]]
    group: Callable[[Any, Context], str] | None = None
    link: Callable[[Any], str | None] | None = None
