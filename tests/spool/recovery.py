"""The next process with a spool, and the service, both within this one: what it makes of the files that it finds."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from unittest import mock

from mindlytics.delivery.ledger import Ledger
from mindlytics.delivery.outbox import Outbox
from mindlytics.delivery.verdict import Fate, Verdict
from mindlytics.pipeline.leftovers import Leftovers
from mindlytics.pipeline.own_run import open_directory
from mindlytics.settings import Settings
from mindlytics.spool.directory import runs
from mindlytics.wire import MindlyticsWire

from .found import Found

ADDRESS = "http://127.0.0.1:9"
DELIVERED = Verdict(Fate.DELIVERED, 200, "")


class Service:
    """A service that stores a batch once for each key.

    :param keys: the keys that it knows.
    :param stored: the events that it has stored.
    """

    def __init__(self, keys: Iterable[str] = (), stored: Iterable[bytes] = ()) -> None:
        self.keys = set(keys)
        self.stored = list(stored)

    def store(self, key: str, pieces: Sequence[bytes]) -> None:
        if key not in self.keys:
            self.keys.add(key)
            self.stored += pieces


def settings_of(spool: Path, **more: object) -> Settings:
    """The settings of a client with that spool."""
    where = {"api_key": "k", "project_id": "p", "server_endpoint": ADDRESS, "enabled": True}
    return Settings.load({**where, "spool": str(spool), "max_batch_events": 20, **more})


def deliver(settings: Settings, service: Service) -> Ledger:
    """Deliver what is left in a spool. Returns the account of it."""
    wire = MindlyticsWire(settings.server_endpoint, settings.api_key, settings.project_id)
    ledger = Ledger(threading.RLock())
    directory = open_directory(settings)
    leftovers = Leftovers(settings, directory, ledger, lambda its, pop: Outbox(settings, wire, its, pop))
    while (batch := leftovers.next(0.0)) is not None:
        leftovers.begin(batch)
        service.store(batch.key, batch.pieces)
        leftovers.settle(batch, DELIVERED, 0.0, "")
    leftovers.let_go()
    return ledger


def check(settings: Settings, service: Service, promised: Iterable[bytes], order: dict[bytes, int]) -> Found:
    """Deliver what is left, and compare it with what was recorded.

    :param promised: the events that must not be lost.
    :param order: the number of each event that was recorded.
    """
    before = len(service.stored)
    try:
        with mock.patch.object(os, "fsync"):  # which takes most of the time
            ledger = deliver(settings, service)
    except Exception as error:  # which is one of the faults that are counted
        return Found("", {"exceptions": 1, type(error).__name__: 1}, {"states": 1})
    counts, after = ledger.total, service.stored[before:]
    numbers = [order[data] for data in after if data in order]
    (folder,) = (path for path in Path(settings.spool or "").iterdir() if path.is_dir())
    return Found(
        "",
        {
            "exceptions": 0,
            "lost": len(set(promised) - set(service.stored)),
            "altered": sum(data not in order for data in after),
            "out of order": int(numbers != sorted(numbers)),
            "sent twice": len(service.stored) - len(set(service.stored)),
            "wrong accounts": int(counts.pending != 0 or counts.spooled != 0),
            "left": len(runs(folder)),
        },
        {"states": 1, "delivered": counts.delivered, "dropped": counts.dropped},
    )
