"""Records transcripts at a service. Duplicates are stored once, and an interrupted import resumes."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from ..annotations import Self, Unpack
from ..errors import InvalidEvent
from ..settings import Options as ClientOptions
from ..settings import Settings
from ..values import UTC, now
from .checkpoint import Checkpoint
from .context import MALFORMED, malformed
from .detecting import Plugged
from .encoding import EventEncoder, digest
from .model import Problem, Transcript
from .reader import Given, ReadOptions, Summary, read
from .sending import Parcel, Sender

CONNECTIONS = 4
PATIENCE: ClientOptions = {"retry_for": 300.0, "request_timeout": 30.0, "enabled": True, "sample_rate": 1.0}
"""The settings for an import, which may wait but must lose nothing."""

Report = Callable[[str, str], None]


class Recording:
    """Sends transcripts one after the other, and counts their outcomes.

    :param settings: the credentials and address.
    :param summary: receives the counts.
    :param report: called with the place and the reason of each problem.
    :param resume: the path of a file that notes what is stored already.
    :param batch: send many conversations per request. That file notes which request each is in.
    :param connections: the number of concurrent requests.
    :raises OSError: that file is unusable.
    :raises ValueError: ``batch`` without ``resume``.
    """

    def __init__(
        self,
        settings: Settings,
        summary: Summary,
        report: Report,
        resume: str | os.PathLike[str] | None = None,
        connections: int = CONNECTIONS,
        *,
        batch: bool = False,
    ) -> None:
        if batch and resume is None:
            raise ValueError("batch needs resume: a file that notes which request each conversation is in")
        self._summary = summary
        self._report_problem = report
        self._endpoint = settings.server_endpoint
        self._encoder = EventEncoder(settings.origin, self._report)
        self._reported: set[str] = set()
        scope = f"{settings.server_endpoint} {settings.project_id}"
        self._checkpoint = None if resume is None else Checkpoint(resume, scope)
        self._now: datetime = now().astimezone(UTC).replace(microsecond=0)
        self.stop = threading.Event()
        """Set it to end early. Requests under way are finished, and nothing else is sent."""
        claim = self._checkpoint.sending if self._checkpoint is not None and batch else None
        self._sender = Sender(settings, connections, self.stop, claim)
        self._first_lost = ""
        self._under_way: set[bytes] = set()
        """The keys of conversations that are being sent."""
        self._again: dict[bytes, dict[int, Parcel]] = {}
        """Conversations by the request in which an earlier run sent them, until all of it is here again."""

    def take(self, where: str, transcript: Transcript) -> None:
        """Send a transcript. Waits while too many are under way. One that cannot be encoded is a problem."""
        try:
            parcel = self._parcel(where, transcript)
        except MALFORMED as error:
            self._summary.problems += 1
            self._report_problem(where, str(error) if isinstance(error, InvalidEvent) else malformed(error))
            return
        if parcel is None:
            self._summary.stored_before += 1
            return
        request = None
        if self._checkpoint is not None:
            self._under_way.add(parcel.key)
            request = self._checkpoint.request_of(parcel.key)
        if request is None:
            self._sender.send(parcel)
        else:
            id, place, count = request
            members = self._again.setdefault(id, {})
            members[place] = parcel
            if len(members) == count:
                del self._again[id]
                self._sender.send_again([members[each] for each in sorted(members)])
        self._settle()

    def _parcel(self, where: str, transcript: Transcript) -> Parcel | None:
        """The events of a transcript. None, if they are stored or under way already."""
        key = digest(transcript)
        if self._checkpoint is not None and (key in self._under_way or key in self._checkpoint):
            return None
        pieces = self._encoder.events_of(transcript, key, self._now)
        return Parcel(where, str(transcript.session.get("session_id")), key, pieces)

    def take_all(self, items: Iterable[tuple[str, Transcript | Problem]]) -> None:
        """Send transcripts and report problems, each with its place, until :attr:`stop` is set."""
        for where, item in items:
            if isinstance(item, Problem):
                self._report_problem(where, item.reason)
            else:
                self.take(where, item)
            if self.stop.is_set():
                self._summary.stopped = where
                break

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        """Wait until all is settled. ``stopped`` of the summary names the first place with something unstored."""
        for members in self._again.values():  # the rest of the request is no longer in the file
            for place in sorted(members):
                self._sender.send(members[place])
        self._sender.close()
        self._settle()
        if self._checkpoint is not None:
            self._checkpoint.close()
        self._summary.stopped = self._first_lost or self._summary.stopped

    def _settle(self) -> None:
        while not self._sender.settled.empty():
            batch = self._sender.settled.get()
            for parcel in batch.parcels:
                self._settle_one(parcel)
            keys = [each.key for each in batch.parcels]
            self._under_way.difference_update(keys)
            if self._checkpoint is not None and batch.is_stored:
                self._checkpoint.add(keys)

    def _settle_one(self, parcel: Parcel) -> None:
        self._summary.stored_before += parcel.is_doubled
        self._summary.delivered += parcel.delivered
        self._summary.refused += parcel.refused
        self._summary.dropped += parcel.dropped
        if parcel.refused:
            self._report_problem(parcel.where, parcel.message)
        if parcel.dropped:
            self._first_lost = self._first_lost or parcel.where
            if parcel.gave_up and not self.stop.is_set():
                self.stop.set()
                self._report_problem("mindlytics", f"{self._endpoint} no longer answers ({parcel.message}): stopped")

    def _report(self, name: str, value: object, done: str) -> None:
        if name not in self._reported:
            self._reported.add(name)
            self._report_problem("mindlytics", f"{name} was {done}")


def record(
    source: Given,
    format: str | Callable[[Any], Plugged] | None = None,
    *,
    api_key: str | None = None,
    project_id: str | None = None,
    server_endpoint: str | None = None,
    resume: str | os.PathLike[str] | None = None,
    batch: bool = False,
    connections: int = CONNECTIONS,
    on_problem: Report | None = None,
    **reading: Unpack[ReadOptions],
) -> Summary:
    """Read conversations and record them at the service. The same ones twice are stored once.

    It may run over a part of the data in each of many processes, such as a partition of Spark, Ray or Dask.

    :param source: as for :func:`~mindlytics.transcripts.read`, and so are ``format`` and ``reading``.
    :param api_key: the key. Like the next two, it defaults to the environment, as for a client.
    :param resume: the path of a file that notes what is stored already. It is made if it is missing.
    :param batch: send many conversations per request, which is faster. It needs ``resume``, since a service knows only
        whole requests again.
    :param connections: the number of concurrent requests.
    :param on_problem: called with the place and the reason of each problem.
    :raises ValueError: ``batch`` without ``resume``.
    :returns: the counts. If the service stopped answering, ``stopped`` names the first unstored place.
    """
    value = {"api_key": api_key, "project_id": project_id, "server_endpoint": server_endpoint}
    settings = Settings.load({**value, **PATIENCE})
    summary = reading.get("summary") or Summary()
    reading["summary"] = summary
    report = on_problem or (lambda where, words: None)
    with Recording(settings, summary, report, resume, connections, batch=batch) as recording:
        recording.take_all((_place(item), item) for item in read(source, format, **reading))
    return summary


def _place(item: Transcript | Problem) -> str:
    return item.record or item.where if isinstance(item, Problem) else item.where
