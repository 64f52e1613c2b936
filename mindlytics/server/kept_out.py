"""What arrives of those who are forgotten: it is acknowledged and not stored.

``forgotten.py`` has their names.
"""

from __future__ import annotations

from collections.abc import Sequence

from .decoding import Taken
from .deleting import delete_all_of
from .forgotten import DEVICE, SESSION, USER
from .records import Records

_NAMES = ("user_id", "id", "previous_id")


def stays_out(
    records: Records, scope: int, users: Sequence[str], device_id: str | None = None, session_id: str | None = None
) -> bool:
    """Whether something that comes under these names is of a forgotten person.

    What follows it may lack the name that shows it. So its other names are kept out as well, unless they are
    another user's. What came before it without a name is deleted.
    """
    names = records.forgotten
    until = names.until(scope, users, device_id, session_id) if names else 0
    if not until:
        return False
    owners = []
    if device_id is not None:
        owners.append((DEVICE, device_id, records.user_of_device(scope, device_id)))
    if session_id is not None:
        session = records.session(scope, session_id)
        owners.append((SESSION, session_id, None if session is None else session.user))
    more = [(USER, name) for name in users if records.user_called(scope, name) is None]
    more += [(kind, name) for kind, name, owner in owners if owner is None or owner.anonymous]
    names.add(records.connection, scope, until, more)
    nameless = {owner.seq for _, _, owner in owners if owner is not None and owner.anonymous}
    if nameless:
        delete_all_of(sorted(nameless), records)
    return True


def event_stays_out(records: Records, scope: int, event: Taken) -> bool:
    """The same for an event."""
    if not records.forgotten:
        return False
    users = [name for field in _NAMES if (name := getattr(event, field, None)) is not None]
    return stays_out(records, scope, users, event.device_id, event.session_id)
