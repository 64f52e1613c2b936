"""``python -m benchmarks.reading``: how long the local server takes for reads and searches, by what it has stored.

One database grows from size to size: a file, or with ``--db`` an empty PostgreSQL database. It is written straight by
SQL, for that takes minutes, and so is the index of words in PostgreSQL. In a file, it is filled as the server does.
Then a server of its own answers each read some times over one connection.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import closing
from functools import partial
from pathlib import Path
from statistics import median

import orjson
import requests
from sqlalchemy import text

from mindlytics.events import ConversationTurn
from mindlytics.server.http import ANY_KEY
from mindlytics.server.records import Records
from mindlytics.server.schema import microseconds
from mindlytics.server.search.indexing import index_all
from mindlytics.server.search.texts import words_of_event
from mindlytics.server.store import Store

from .environment import described, machine
from .figures import short, whole
from .process import serving
from .programs.limits import HEADERS
from .turns import TURNS, properties

SIZES = (100_000, 1_000_000, 10_000_000)
REPEATS = 15

STEP = 120_000
"""Turns of one transaction."""

USERS = 10_000
START = microseconds("2025-01-01T00:00:00Z")
APART = 100_000
"""Microseconds between two turns."""

PADDING = 1_000_000_000
"""It is added to the number of an id, so that all ids have the same length."""
ZEROS = "0" * 17
"""They begin the number of an id, which is as long as a real one."""

Parameters = Mapping[str, str]

_SESSIONS, _EVENTS, _MESSAGES = (f"/bc/v1/db/{name}/find" for name in ("sessions", "events", "messages"))
_SEARCH = "/bc/v1/search"
_STARTED = {"sort": '{"started_at": -1}', "limit": "50"}
_NEWEST = {"sort": '{"timestamp": -1}', "limit": "50"}
_USER = {"filter": '{"user_id": "user-7"}'}
_CONVERSATION = {"filter": f'{{"conversation_id": "talk-000{ZEROS}{PADDING + 12}"}}'}
READS: Mapping[str, tuple[str, Parameters]] = {
    "the newest 50 sessions": (_SESSIONS, _STARTED),
    "the newest 50 sessions of one user": (_SESSIONS, _STARTED | _USER),
    "the newest 50 events": (_EVENTS, _NEWEST),
    "the newest 50 events of one user": (_EVENTS, _NEWEST | _USER),
    "the first 50 events": (_EVENTS, {"limit": "50"}),
    "the first 50 messages": (_MESSAGES, {"limit": "50"}),
    "the newest 50 messages": (_MESSAGES, _NEWEST),
    "the messages of one conversation": (_MESSAGES, _CONVERSATION),
    "50 of the 10,000 users, with their totals": ("/bc/v1/user/list", {"limit": "50"}),
    "statistics of everything": ("/bc/v1/stats", {}),
    "the latest 50 turns with a word that all have": (_SEARCH, {"q": "order"}),
    "… with a word of one turn in 40": (_SEARCH, {"q": "lot7"}),
    "… with a word of one turn in 1,000": (_SEARCH, {"q": "case7"}),
    "… with a word of one turn in 10,000": (_SEARCH, {"q": "shelf7"}),
    "… with a word of one turn": (_SEARCH, {"q": "number7"}),
    "… with two words, of one turn in 1,000": (_SEARCH, {"q": "lot7 case7"}),
    "… with a word of one turn in 40, by rank": (_SEARCH, {"q": "lot7", "order": "rank"}),
    "… with a word that all have, of one user": (_SEARCH, {"q": "order", "user": "user-7"}),
    "… with a word that no turn has": (_SEARCH, {"q": "zeppelin"}),
}


_STORED = (
    """
    INSERT INTO sessions (seq, scope, session_id, owner, started_at, ended_at, attributes, event_count)
    {numbers}
    SELECT :seq + n, :scope, 'session-' || :zeros ||  (:padding + n), :owner + n / 12 % :users,
           :start + n * :apart, :start + (n + 11) * :apart, '{{}}', 12
      FROM numbers WHERE n % 12 = 0
    """,
    """
    INSERT INTO conversations (seq, scope, session, conversation_id, started_at, ended_at, properties, attributes,
        event_count, message_count, turn_count, function_count, prompt_tokens, completion_tokens)
    {numbers}
    SELECT :seq + n, :scope, :seq + n, 'talk-000' || :zeros ||  (:padding + n), :start + n * :apart,
           :start + (n + 11) * :apart, '{{}}', '{{}}', 12, 24, 12, 0, 1000, 1000
      FROM numbers WHERE n % 12 = 0
    """,
    """
    INSERT INTO events (seq, scope, session, conversation, timestamp, event, properties, message_index)
    {numbers}
    SELECT :seq + n, :scope, :seq + n - n % 12, :seq + n - n % 12, :start + n * :apart, 'Conversation Turn',
           replace(text, :mark, ' Order number' || n || ' lot' || (n % 40) || ' case' || (n % 1000) || ' shelf'
                   || (n % 10000)),
           n % 12 * 2
      FROM numbers JOIN texts ON place = n % :texts
    """,
)
"""In the SQL of both databases."""
_NUMBERS = """
WITH RECURSIVE numbers (n) AS
    (SELECT CAST(:first AS BIGINT) UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < :last)
"""
_MARK = "{numbers}"


def fill(store: Store, first: int, last: int) -> None:
    """Store turns of these numbers, straight by SQL, as the server would."""
    for start in range(first, last, STEP):
        store.submit(partial(_fill, store.hashed(ANY_KEY), start, min(start + STEP, last))).result()


def _fill(key: str, first: int, last: int, records: Records) -> None:
    connection = records.connection
    app = records.app(key, HEADERS["X-App-ID"])
    if not first:
        for number in range(USERS):
            records.new_user(app.scope, f"user-{number}", anonymous=False)
        records.flush()
    owner = records.user_called(app.scope, "user-0")
    assert owner is not None
    connection.execute(text("CREATE TEMP TABLE texts (place INTEGER PRIMARY KEY, text TEXT)"))
    for place, turn in enumerate(TURNS):
        said = properties(turn)
        for name in ("session_id", "conversation_id"):
            said.pop(name)
        as_json = orjson.dumps({**said, "user": turn.user + _MARK}).decode()
        connection.execute(text("INSERT INTO texts VALUES (:place, :text)"), {"place": place, "text": as_json})
    values = {
        "seq": records.number(last - first) - first,
        "scope": app.scope,
        "owner": owner.seq,
        "users": USERS,
        "start": START,
        "padding": PADDING,
        "zeros": ZEROS,
        "apart": APART,
        "mark": _MARK,
        "texts": len(TURNS),
        "first": first,
        "last": last,
    }
    for statement in _STORED:
        connection.execute(text(statement.format(numbers=_NUMBERS)), values)
    connection.execute(text("DROP TABLE texts"))


_WORDS = """
    INSERT INTO event_words (seq, words) {numbers}
    SELECT :seq + n, array_to_tsvector(words || ARRAY['order', 'number' || n, 'lot' || (n % 40), 'case' || (n % 1000),
           'shelf' || (n % 10000)])
      FROM numbers JOIN said ON place = n % :texts
"""
"""The rows that the server makes, by PostgreSQL itself, for the server would take an hour for ten million."""


def index(store: Store, first: int, last: int) -> None:
    """Fill the index of words with turns of these numbers, and with the users."""
    if store.database.is_shared:
        store.submit(lambda records: records.connection.execute(text("DROP INDEX event_words_found"))).result()
        for start in range(first, last, STEP):
            store.submit(partial(_index, start, min(start + STEP, last), last)).result()
        with closing(store.database.open()) as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT")
            connection.execute(text("SET statement_timeout = 0"))
            connection.execute(text("CREATE INDEX event_words_found ON event_words USING gin (words)"))
    index_all(store)


def _index(first: int, last: int, stored: int, records: Records) -> None:
    connection = records.connection
    connection.execute(text("CREATE TEMP TABLE said (place INTEGER PRIMARY KEY, words TEXT[])"))
    for place, turn in enumerate(TURNS):
        words = words_of_event(ConversationTurn.event, orjson.dumps(properties(turn)).decode())
        assert words is not None
        connection.execute(text("INSERT INTO said VALUES (:place, :words)"), {"place": place, "words": words.split()})
    latest = connection.execute(text("SELECT max(seq) FROM events")).scalar_one()
    values = {"seq": latest - stored + 1, "first": first, "last": last, "texts": len(TURNS)}
    connection.execute(text(_WORDS.format(numbers=_NUMBERS)), values)
    connection.execute(text("UPDATE store SET indexed = :latest"), {"latest": latest})
    connection.execute(text("DROP TABLE said"))


def measured(url: str, repeats: int) -> dict[str, list[float]]:
    """The milliseconds that each read took, from the request to the whole answer."""
    found: dict[str, list[float]] = {}
    with requests.Session() as http:
        http.headers.update(HEADERS)
        for title, (path, parameters) in READS.items():
            found[title] = []
            for _ in range(repeats):
                began = time.perf_counter()
                http.get(url + path, params=parameters, timeout=600).raise_for_status()
                found[title].append((time.perf_counter() - began) * 1000)
    return found


def parser(name: str, description: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{name}", description=description)
    parser.add_argument("--events", type=int, nargs="+", default=SIZES, help="sizes (default 100000 1000000 10000000)")
    parser.add_argument("--repeats", type=int, default=REPEATS, help=f"requests of each kind (default {REPEATS})")
    parser.add_argument("--db", help="the URL of an empty PostgreSQL database (default: a file)")
    parser.add_argument("--directory", help="where the file is made (default: where temporary files are)")
    return parser


SIZE = {
    "sqlite": "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size",
    "postgresql": "SELECT pg_database_size(current_database())",
}
"""The bytes of a database."""


def finish(store: Store) -> int:
    """Let PostgreSQL know what its tables hold, as it does by itself after a minute. Returns the database's bytes."""
    with closing(store.database.open()) as connection:
        name = connection.dialect.name
        if name == "postgresql":
            connection.execution_options(isolation_level="AUTOCOMMIT")
            connection.execute(text("SET statement_timeout = 0"))
            connection.execute(text("VACUUM (ANALYZE)"))
        return int(connection.execute(text(SIZE[name])).scalar_one())


def main() -> int:
    chosen = parser("reading", "Measures the local server's reads and searches.").parse_args()
    sys.stdout.write(described(machine()))
    with tempfile.TemporaryDirectory(prefix="mindlytics-", dir=chosen.directory) as directory:
        db = chosen.db or Path(directory, "reading.db")
        stored = 0
        for size in sorted(chosen.events):
            store = Store(db)
            fill(store, stored, size)
            began = time.process_time()
            index(store, stored, size)
            indexing = time.process_time() - began
            total = finish(store)
            store.close()
            sys.stdout.write(
                f"\n{whole(size)} turns: {short(indexing / (size - stored) * 1e6)} µs CPU to index one,"
                f" {whole(total / size)} bytes each\n"
            )
            stored = size
            with serving(db, "--read-timeout", "0", "--analysis", "none", "--idle", "none") as (_, url):
                for title, times in measured(url, chosen.repeats).items():
                    sys.stdout.write(f"{title:50}{median(times):9.1f} ms, longest {max(times):9.1f}\n")
            sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
