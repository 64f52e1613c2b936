"""Forgets a person: all that is recorded under any of the person's ids and devices, down to the bytes in the file.

First, what is anonymous on the person's devices becomes the person's. The names come to ``forgotten.py``, so that
nothing new is stored while the rest is deleted. Then sessions are deleted in steps (``deleting.py``), also those of
others that name the person, then the user, and at the end the database is written anew without what was deleted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any, NamedTuple, TypedDict

from aiohttp import web
from attrs import frozen
from msgspec import Meta, Struct
from sqlalchemy import CompoundSelect, Select, delete, or_, select, union, update

from ..errors import InvalidEvent
from .antonnia.documents import APP_ID
from .deleting import EVENTS_AT_ONCE, SESSIONS_AT_ONCE, delete_sessions, delete_users
from .http import STORE, Caller, Problem
from .idempotency import KEY_SECONDS
from .parameters import Name
from .records import Records, parts
from .routes import Route
from .schema import antonnia, apps, devices, idempotency_keys, named, now, sessions, users
from .store import Store
from .users import anonymous_id

FORGET_PATH = "/bc/v1/user/forget"
KEEP_OUT = float(KEY_SECONDS)
"""The default time in seconds for which events of the person are not stored: as long as a client may hold them back."""
LONGEST = 10 * 365 * 86400


class Plan(NamedTuple):
    """Who is to be forgotten: the numbers of the user and the scopes, and the person's ids."""

    user: int
    scope: int
    contacts: int | None
    ids: Sequence[str]


@frozen
class Deleted:
    """What was deleted, in numbers, and the ids of sessions of the Conversations API among it."""

    sessions: int
    events: int
    contacts: Sequence[str] = ()


def check_keep_out(value: object) -> float:
    """A time in seconds for which events may stay out.

    :raises InvalidEvent: it is none.
    """
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not 0 <= value <= LONGEST:
        raise InvalidEvent("keep_out", "a number of seconds from 0 to ten years", value)
    return value


async def forget(store: Store, scope: int, name: str, keep_out: float = KEEP_OUT) -> Deleted | None:
    """Forget the person with this id. Returns None if nobody has it.

    :param keep_out: seconds in which events of the person are acknowledged and not stored. It replaces that of an
        earlier call.
    """
    until = now() + int(keep_out * 1_000_000)
    plan = await store.write(partial(_begin, scope, name, max(until, now() + int(KEEP_OUT * 1_000_000))))
    if plan is None:
        return None
    count, gone = 0, 0
    while numbers := await store.write(partial(_next, plan)):
        deleted = EVENTS_AT_ONCE
        while deleted >= EVENTS_AT_ONCE:
            deleted = await store.write(partial(delete_sessions, numbers))
            gone += deleted
        count += len(numbers)
    contacts = await store.write(partial(_end, plan))
    await store.compact(whole=True)
    if keep_out < KEEP_OUT:
        await store.write(lambda records: records.forgotten.keep_out(records.connection, scope, until, plan.ids))
    return Deleted(count, gone, contacts)


def _begin(scope: int, name: str, until: int, records: Records) -> Plan | None:
    """Find what is the person's, and note the person's names."""
    connection, names = records.connection, records.forgotten
    records.flush()
    of_contacts = select(apps.c.scope).where(
        apps.c.app_id == APP_ID,
        apps.c.organization_id == select(apps.c.organization_id).where(apps.c.scope == scope).scalar_subquery(),
    )
    contacts = connection.execute(of_contacts).scalar()
    user = records.user_called(scope, name)
    if user is None:  # maybe a contact alone, named in a session of others, or forgotten before
        is_contact = select(antonnia.c.seq).where(antonnia.c.scope == contacts, antonnia.c.contact_id == name)
        found = connection.execute(union(is_contact, _naming(scope, [name])).limit(1)).first()
        if found is None and not names.has(scope, name):
            return None
        user = records.new_user(scope, name, anonymous=False)
        records.flush()
    number, ids = user.seq, list(user.aliases)
    _claim(records, scope, number, ids)
    owned = connection.execute(_devices_of(number)).scalars().all()
    mine = connection.execute(select(sessions.c.session_id).where(sessions.c.owner == number)).scalars()
    of_others = select(devices.c.device_id).where(
        devices.c.scope == scope, devices.c.device_id.in_(_devices_of(number)), devices.c.owner != number
    )
    shared = connection.execute(of_others).scalars().all()
    names.keep_out(connection, scope, until, ids, devices={*owned} - {*shared}, sessions=mine)
    records.forget()
    return Plan(number, scope, contacts, ids)


def _claim(records: Records, scope: int, number: int, ids: Sequence[str]) -> None:
    """Make the person's what is anonymous on the person's devices, or in sessions that name the person."""
    connection = records.connection
    owned = connection.execute(_devices_of(number)).scalars().all()
    firsts = [anonymous_id(scope, device) for device in owned]
    records.load(scope, (), firsts, owned)
    found = [records.user_called(scope, first) for first in firsts]
    found += [records.user_of_device(scope, device) for device in owned]
    mine = select(sessions.c.seq).where(sessions.c.owner == number)
    former = select(named.c.name).where(named.c.session.in_(mine))
    others = union(
        select(sessions.c.owner).where(sessions.c.scope == scope, sessions.c.device_id.in_(_devices_of(number))),
        select(sessions.c.owner).where(sessions.c.seq.in_(_naming(scope, ids))),
        select(users.c.seq).where(users.c.scope == scope, users.c.user_id.in_(former)),
    )
    anonymous = select(users.c.seq).where(users.c.seq.in_(others), users.c.anonymous == 1)
    numbers = {*connection.execute(anonymous).scalars(), *(each.seq for each in found if each and each.anonymous)}
    for some in parts(sorted(numbers - {number})):
        for table in (sessions, devices):
            connection.execute(update(table).where(table.c.owner.in_(some)).values(owner=number))
        delete_users(some, records)


def _devices_of(number: int) -> CompoundSelect[Any]:
    """The devices that are a user's, or that the user has sessions on."""
    on_them = select(sessions.c.device_id).where(sessions.c.owner == number, sessions.c.device_id.is_not(None))
    return union(select(devices.c.device_id).where(devices.c.owner == number), on_them)


def _naming(scope: int, ids: Sequence[str]) -> Select[Any]:
    """The sessions of others that name a person."""
    return select(named.c.session).where(named.c.scope == scope, named.c.name.in_(ids))


def _next(plan: Plan, records: Records) -> list[int]:
    mine = select(sessions.c.seq).where(sessions.c.owner == plan.user)
    some = union(mine, _naming(plan.scope, plan.ids)).limit(SESSIONS_AT_ONCE)
    return list(records.connection.execute(some).scalars())


def _end(plan: Plan, records: Records) -> Sequence[str]:
    """Delete the user, and the person's sessions of the Conversations API. Returns the ids of the latter."""
    connection = records.connection
    delete_users([plan.user], records)
    if plan.contacts is None:
        return ()
    of_app = antonnia.c.scope == plan.contacts
    mine = select(antonnia.c.id).where(of_app, antonnia.c.contact_id.in_(plan.ids), antonnia.c.kind == "session")
    contacts = connection.execute(mine).scalars().all()
    theirs = or_(antonnia.c.id.in_(contacts), antonnia.c.session_id.in_(contacts), antonnia.c.contact_id.in_(plan.ids))
    connection.execute(delete(antonnia).where(of_app, theirs))
    answers = select(idempotency_keys.c.key, idempotency_keys.c.answer).where(
        idempotency_keys.c.scope == plan.contacts, idempotency_keys.c.answer.is_not(None)
    )
    repeated = [key for key, answer in connection.execute(answers) if any(each in answer for each in contacts)]
    of_keys = idempotency_keys.c.key.in_(repeated)
    connection.execute(delete(idempotency_keys).where(idempotency_keys.c.scope == plan.contacts, of_keys))
    return contacts


class ForgetRequest(Struct):
    """Who is to be forgotten."""

    id: Name
    keep_out: Annotated[float, Meta(ge=0, le=LONGEST, description="Seconds. Default: a week.")] = KEEP_OUT


class DeletedCounts(TypedDict):
    """How much was deleted."""

    sessions: int
    events: int
    contacts: int


async def answer(request: web.Request, caller: Caller, body: ForgetRequest) -> DeletedCounts:
    """Delete all that is recorded of a person, and store nothing new for a time."""
    store = request.app[STORE]
    scope = await store.write(lambda records: records.app(*caller).scope)
    work = asyncio.ensure_future(forget(store, scope, body.id, body.keep_out))
    deleted = await asyncio.shield(work)  # it goes on if the caller leaves
    if deleted is None:
        raise Problem(404, "not found", "no user has this id", field="id")
    from .antonnia.app import drop_webhooks  # noqa: PLC0415  it imports what answers

    drop_webhooks(request.app, deleted.contacts)
    return {"sessions": deleted.sessions, "events": deleted.events, "contacts": len(deleted.contacts)}


ROUTES = (Route("POST", FORGET_PATH, answer, others=[404]),)
