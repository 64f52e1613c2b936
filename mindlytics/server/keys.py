"""Organizations and their API keys: who may make, list, move and remove keys, and the emptying of a test server.

A key manages the keys of its own organization, the super key those of all. A key is shown once, in the answer that
makes it. From then on it is stored as a hash, and listed by its ends and an id. ``http.py`` decides which keys a server
accepts. If it accepts any, ``apps.py`` gives a new key its organization.
"""

from __future__ import annotations

import secrets
from typing import Annotated, TypedDict

from aiohttp import WSCloseCode, web
from msgspec import Meta, Struct
from sqlalchemy import ColumnElement, Connection, delete, func, select, update

from ..errors import InvalidEvent
from .apps import found_organization, organization_of, own_organization
from .dialects import upsert
from .http import STORE, Problem, bearer, is_super, json_object, key_of
from .keyhash import ID_DIGITS, shown
from .live import LIVE
from .parameters import Header, Name
from .records import Records
from .routes import OK, Ok, Route, body_as
from .schema import alembic_version, metadata, now, orgkeys, store
from .search.fulltext import full_text

ORGKEYS_PATH = "/bc/v1/orgkeys"
CLEANUP_PATH = "/bc/v1/db/_cleanup"

Apikey = Annotated[Header, Meta(pattern="^[!-~]+$")]

_ID: ColumnElement[str] = func.substr(orgkeys.c.hash, 1, ID_DIGITS)


class NewKey(Struct):
    """The organization of a key, which may be new."""

    organization_id: Name


class KeyMove(NewKey):
    """A key, and its organization from now on."""

    apikey: Apikey


class OrgKey(TypedDict):
    """A key and its organization."""

    organization_id: str
    apikey: str


class ListedKey(OrgKey):
    """A key, shown by its ends."""

    id: str


class KeyName(Struct):
    """A key: itself, or the id by which it is listed."""

    apikey: Apikey | None = None
    id: Name | None = None


async def make(request: web.Request, caller: str | None, body: NewKey) -> OrgKey:
    """Make a key."""
    return await _write(request, caller, body.organization_id, f"mlk_{secrets.token_urlsafe(24)}")


async def move(request: web.Request, caller: str | None, body: KeyMove) -> OrgKey:
    """Give a key to an organization."""
    if is_super(request, body.apikey):
        raise InvalidEvent("apikey", "another than the super key", body.apikey)
    return await _write(request, caller, body.organization_id, body.apikey)


async def _write(request: web.Request, key: str | None, organization_id: str, apikey: str) -> OrgKey:
    key_hash = request.app[STORE].hashed(apikey)

    def work(records: Records) -> None:
        connection = records.connection
        if key is not None:
            own = own_organization(connection, key)
            if organization_id != own:
                raise Problem(403, "forbidden", "the organization is another's: that needs the super key")
            if organization_of(connection, key_hash) not in (own, None):
                raise Problem(403, "forbidden", "the key is another organization's: that needs the super key")
        found_organization(connection, organization_id)
        values = {"apikey": shown(apikey), "organization_id": organization_id, "created_at": now(), "issued": 1}
        connection.execute(
            upsert(connection.dialect.name, orgkeys)
            .values(hash=key_hash, **values)
            .on_conflict_do_update(index_elements=["hash"], set_={"organization_id": organization_id, "issued": 1})
        )
        records.forget()

    await request.app[STORE].write(work)
    return {"organization_id": organization_id, "apikey": apikey}


async def list_keys(request: web.Request, caller: str | None) -> list[ListedKey]:
    """The keys of the organization, by their ends."""

    def read(connection: Connection) -> list[ListedKey]:
        query = select(orgkeys.c.organization_id, orgkeys.c.apikey, _ID.label("id")).order_by(orgkeys.c.seq)
        if caller is not None:
            query = query.where(orgkeys.c.organization_id == organization_of(connection, caller))
        rows = connection.execute(query)
        return [{"organization_id": owner, "apikey": apikey, "id": id} for owner, apikey, id in rows]

    return await request.app[STORE].read(read)


async def remove(request: web.Request, caller: str | None) -> Ok:
    """Take a key no more: the key itself, or the id by which it is listed, in the body or the query."""
    given = await json_object(request) if request.can_read_body else dict(request.query)
    named: KeyName = body_as(KeyName, given)
    if named.id is not None:
        field, column, name = "id", _ID, named.id
    elif named.apikey is not None:
        field, column, name = "apikey", orgkeys.c.hash, request.app[STORE].hashed(named.apikey)
    else:
        raise Problem(400, "invalid body", "apikey is missing", field="apikey")

    def work(records: Records) -> None:
        row = records.connection.execute(select(orgkeys.c.organization_id).where(column == name)).first()
        if row is None or (caller is not None and row[0] != organization_of(records.connection, caller)):
            raise Problem(404, "not found", "there is no such key", field=field)
        records.connection.execute(delete(orgkeys).where(column == name))
        records.forget()

    await request.app[STORE].write(work)
    return OK


async def clean(request: web.Request, caller: str | None) -> Ok:
    """Delete everything. This asks for the super key."""
    if caller is not None:
        raise Problem(403, "forbidden", "only the super key that the server was started with can empty it")

    def work(records: Records) -> None:
        full_text(records.connection).clear()
        records.connection.execute(update(store).values(indexed=0))
        for table in metadata.sorted_tables:
            if table not in (store, alembic_version):
                records.connection.execute(delete(table))
        records.forget()

    await request.app[STORE].write(work)
    request.app[LIVE].forget(WSCloseCode.SERVICE_RESTART, "the server was emptied")
    return OK


async def manager(request: web.Request) -> str | None:
    """Who manages keys: the hash of a key, for its own organization, or None for the super key and all
    organizations.
    """
    key = bearer(request)
    return None if is_super(request, key) else await key_of(request)


ROUTES = (
    Route("GET", ORGKEYS_PATH, list_keys, credentials=manager),
    Route("POST", ORGKEYS_PATH, make, credentials=manager),
    Route("PUT", ORGKEYS_PATH, move, credentials=manager),
    Route("DELETE", ORGKEYS_PATH, remove, credentials=manager, body=KeyName, query=KeyName, others=[404]),
    Route("GET", CLEANUP_PATH, clean, credentials=manager),
)
