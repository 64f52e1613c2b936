"""Who is forgotten: names of users, devices and sessions whose events are acknowledged and not stored for a time.

The names are kept as salted hashes. ``forgetting.py`` puts them here.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, delete, select

from .decoding import Taken
from .dialects import upsert
from .keyhash import hashed
from .schema import forgotten, now, store

USER, DEVICE, SESSION = "user", "device", "session"
_NAMES = ("user_id", "id", "previous_id")


class Forgotten:
    """The names of all apps, as the database has them now."""

    def __init__(self, connection: Connection) -> None:
        self._salt: bytes = connection.execute(select(store.c.salt)).scalar_one()
        rows = connection.execute(select(forgotten.c.scope, forgotten.c.name, forgotten.c.until))
        self._until: dict[tuple[int, str], int] = {(row[0], row[1]): row[2] for row in rows}

    def __bool__(self) -> bool:
        return bool(self._until)

    def has(self, scope: int, kind: str, name: str) -> bool:
        """Whether the user, device or session of this name is forgotten."""
        return self._until.get((scope, self._hash(kind, name)), 0) > now()

    def covers(self, scope: int, event: Taken) -> bool:
        """Whether an event is of somebody who is forgotten. Its user decides, and without one its device."""
        if self.has(scope, SESSION, event.session_id):
            return True
        names = [name for field in _NAMES if (name := getattr(event, field, None)) is not None]
        if names:
            return any(self.has(scope, USER, name) for name in names)
        return event.device_id is not None and self.has(scope, DEVICE, event.device_id)

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
        statement = upsert(connection, forgotten)
        replaced = statement.on_conflict_do_update(
            index_elements=["scope", "name"], set_={"until": statement.excluded.until}
        )
        connection.execute(replaced, [{"scope": scope, "name": name, "until": until} for name in names])

    def _hash(self, kind: str, name: str) -> str:
        return hashed(f"{kind} {name}", self._salt)


def drop_old(connection: Connection) -> None:
    """Drop the names whose time is over."""
    connection.execute(delete(forgotten).where(forgotten.c.until < now()))
