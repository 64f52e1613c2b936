"""Who is forgotten: names of users, devices and sessions whose events are acknowledged and not stored for a time.

The names are kept as salted hashes. ``forgetting.py`` puts them here, and ``kept_out.py`` looks for them in what
arrives.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import Connection, delete, select

from .dialects import upsert
from .keyhash import hashed
from .schema import forgotten, now, store

USER, DEVICE, SESSION = "user", "device", "session"


class Forgotten:
    """The names of all apps, as the database has them now."""

    def __init__(self, connection: Connection) -> None:
        self._salt: bytes = connection.execute(select(store.c.salt)).scalar_one()
        rows = connection.execute(select(forgotten.c.scope, forgotten.c.name, forgotten.c.until))
        self._until: dict[tuple[int, str], int] = {(row[0], row[1]): row[2] for row in rows}

    def __bool__(self) -> bool:
        return bool(self._until)

    def has(self, scope: int, name: str) -> bool:
        """Whether the user of this id is forgotten."""
        return bool(self.until(scope, [name], None, None))

    def until(self, scope: int, users: Sequence[str], device_id: str | None, session_id: str | None) -> int:
        """Until when something under these names stays out. A device counts only without a user. 0: it is stored."""
        names = [(USER, name) for name in users]
        if not users and device_id is not None:
            names.append((DEVICE, device_id))
        if session_id is not None:
            names.append((SESSION, session_id))
        until = max((self._time(scope, *name) for name in names), default=0)
        return until if until > now() else 0

    def keep_out(
        self,
        connection: Connection,
        scope: int,
        until: int,
        users: Iterable[str],
        *,
        devices: Iterable[str] = (),
        sessions: Iterable[str] = (),
    ) -> None:
        """Keep out a person until this time in the stored form, which replaces an earlier one.

        All names of a person have the same time, and no one else has it. So the names of an earlier call are found.
        """
        names = {self._hash(USER, name) for name in users}
        earlier = {self._until.get((scope, name)) for name in names}
        names.update(name for (of, name), end in self._until.items() if of == scope and end in earlier)
        names.update(self._hash(DEVICE, name) for name in devices)
        names.update(self._hash(SESSION, name) for name in sessions)
        others = set(self._until.values())
        while until in others:
            until += 1
        self._put(connection, scope, until, names)

    def add(self, connection: Connection, scope: int, until: int, names: Iterable[tuple[str, str]]) -> None:
        """Keep out more names of a person, given as pairs of kind and name, for the same time as the others."""
        self._put(connection, scope, until, {self._hash(*name) for name in names if self._time(scope, *name) != until})

    def _put(self, connection: Connection, scope: int, until: int, names: set[str]) -> None:
        if not names:
            return
        statement = upsert(connection.dialect.name, forgotten)
        replaced = statement.on_conflict_do_update(
            index_elements=["scope", "name"], set_={"until": statement.excluded.until}
        )
        connection.execute(replaced, [{"scope": scope, "name": name, "until": until} for name in names])
        self._until.update(((scope, name), until) for name in names)

    def _time(self, scope: int, kind: str, name: str) -> int:
        return self._until.get((scope, self._hash(kind, name)), 0)

    def _hash(self, kind: str, name: str) -> str:
        return hashed(f"{kind} {name}", self._salt)


def drop_old(connection: Connection) -> None:
    """Drop the names whose time is over."""
    connection.execute(delete(forgotten).where(forgotten.c.until < now()))
