"""``python -m benchmarks.pages``: how long the local server takes for its page, by what it has stored.

The file or database is that of ``benchmarks.reading``, with one conversation of 20,000 turns more, and without an index
of words. The server runs in this process, whose CPU time is measured beside the time on the clock: other programs
change it less. PostgreSQL's own is not in it.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from pathlib import Path
from statistics import median

import requests
from sqlalchemy import text

from mindlytics.server.records import Records
from mindlytics.server.run import LocalServer
from mindlytics.server.schema import as_datetime
from mindlytics.server.store import Store

from .environment import described, machine
from .figures import whole
from .reading import APART, PADDING, START, fill, finish, parser

LONG = 20_000
"""Turns of the long conversation."""

_LONG = (
    """
    INSERT INTO sessions (seq, scope, session_id, owner, started_at, attributes, event_count)
    SELECT :seq, scope, 'long', owner, :start, '{}', :turns FROM sessions LIMIT 1
    """,
    """
    INSERT INTO conversations (seq, scope, session, conversation_id, started_at, properties, attributes, event_count,
        message_count, turn_count, function_count, prompt_tokens, completion_tokens)
    SELECT :seq + 1, scope, :seq, 'long', :start, '{}', '{}', :turns, 2 * :turns, :turns, 0, 0, 0 FROM sessions LIMIT 1
    """,
    """
    INSERT INTO events (seq, scope, session, conversation, timestamp, event, properties, message_index)
    SELECT :seq + 2 + row_number() OVER (), scope, :seq, :seq + 1, :start + row_number() OVER () * :apart, event,
           properties, row_number() OVER () * 2
      FROM (SELECT * FROM events LIMIT :turns) AS copied
    """,
)


def lengthen(store: Store) -> None:
    """Store the long conversation."""
    store.submit(_lengthen).result()


def _lengthen(records: Records) -> None:
    values = {"seq": records.number(LONG + 3), "start": START, "apart": APART, "turns": LONG}
    for statement in _LONG:
        records.connection.execute(text(statement), values)


def pages(size: int) -> Mapping[str, str]:
    """The pages that are measured, once so many turns are stored."""
    last = as_datetime(START + size * APART).date()
    end = last - timedelta(days=1) if size > 1_000_000 else last
    return {
        "the newest sessions": "/",
        "the sessions of a user": "/?user=user-7",
        "a user": "/users/user-7",
        "a conversation of 12 turns": f"/sessions/session-{PADDING + 12:027}",
        f"a conversation of {whole(LONG)} turns": "/sessions/long",
        "… its end": "/sessions/long?last=yes",
        "charts of 7 days, counted before": f"/days?days=7&until={end}",
    }


Times = tuple[float, float]
"""Milliseconds on the clock, from the request to the whole answer, and of CPU."""


def measured(url: str, size: int, repeats: int) -> dict[str, list[Times]]:
    """The times of each page. The charts are counted first."""
    found: dict[str, list[Times]] = {}
    with requests.Session() as http:
        http.headers.update({"Accept": "text/html"})
        for title, path in pages(size).items():
            found[title] = []
            get = partial(http.get, f"{url}{path}", timeout=600)
            rounds, began = 1, _now()
            while "still being counted" in get().text:
                rounds += 1
            if path.startswith("/days"):
                found[f"… for the first time, in {rounds} parts"] = [_since(began)]
            for _ in range(repeats):
                began = _now()
                get().raise_for_status()
                found[title].append(_since(began))
    return found


def _now() -> Times:
    return time.perf_counter() * 1000, time.process_time() * 1000


def _since(began: Times) -> Times:
    clock, cpu = _now()
    return clock - began[0], cpu - began[1]


def main() -> int:
    chosen = parser("pages", "Measures the local server's page.").parse_args()
    sys.stdout.write(described(machine()))
    with tempfile.TemporaryDirectory(prefix="mindlytics-", dir=chosen.directory) as directory:
        db = chosen.db or Path(directory, "pages.db")
        stored = 0
        for size in sorted(chosen.events):
            store = Store(db)
            fill(store, stored, size)
            if not stored:
                lengthen(store)
            store.submit(lambda records: records.connection.exec_driver_sql("UPDATE store SET indexed = last")).result()
            finish(store)
            store.close()
            stored = size
            sys.stdout.write(f"\n{whole(size)} turns\n")
            with LocalServer(db, analysis=None, idle=None, read_timeout=0) as server:
                for title, times in measured(server.url, size, chosen.repeats).items():
                    clock, cpu = (median(each) for each in zip(*times, strict=True))
                    sys.stdout.write(f"{title:50}{clock:9.1f} ms, of CPU{cpu:9.1f}\n")
            sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
