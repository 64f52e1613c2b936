"""Organizations and their API keys: who may make, list, move and remove keys, and the emptying of a test server.

A key manages the keys of its own organization, the super key those of all. A key is shown once, in the answer that
makes it. From then on it is stored as a hash, and listed by its ends and an id. ``http.py`` decides which keys a server
accepts. If it accepts any, ``apps.py`` gives a new key its organization.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from aiohttp import WSCloseCode, web
from sqlalchemy import ColumnElement, Connection, delete, func, select, update

from ..errors import InvalidEvent
from ..validators import check_name
from .apps import found_organization, organization_of, own_organization
from .dialects import upsert
from .http import KEY_RULE, STORE, Problem, bearer, is_key, is_super, json_object, key_of, reply
from .keyhash import ID_DIGITS, shown
from .live import LIVE
from .records import Records
from .schema import alembic_version, metadata, now, orgkeys, store
from .search.fulltext import full_text

ORGKEYS_PATH = "/bc/v1/orgkeys"
CLEANUP_PATH = "/bc/v1/db/_cleanup"

_ID: ColumnElement[str] = func.substr(orgkeys.c.hash, 1, ID_DIGITS)


def add_routes(app: web.Application) -> None:
    """Answer requests about keys."""
    app.router.add_post(ORGKEYS_PATH, _make)
    app.router.add_get(ORGKEYS_PATH, _list)
    app.router.add_put(ORGKEYS_PATH, _associate)
    app.router.add_delete(ORGKEYS_PATH, _remove)
    app.router.add_get(CLEANUP_PATH, _cleanup)


async def _make(request: web.Request) -> web.Response:
    key = await _manager(request)
    organization_id = check_name("organization_id", (await json_object(request)).get("organization_id"))
    return await _write(request, key, organization_id, f"mlk_{secrets.token_urlsafe(24)}")


async def _associate(request: web.Request) -> web.Response:
    key = await _manager(request)
    fields = await json_object(request)
    organization_id = check_name("organization_id", fields.get("organization_id"))
    apikey = _apikey(fields)
    if is_super(request, apikey):
        raise InvalidEvent("apikey", "another than the super key", apikey)
    return await _write(request, key, organization_id, apikey)


async def _write(request: web.Request, key: str | None, organization_id: str, apikey: str) -> web.Response:
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
            upsert(connection, orgkeys)
            .values(hash=key_hash, **values)
            .on_conflict_do_update(index_elements=["hash"], set_={"organization_id": organization_id, "issued": 1})
        )
        records.forget()

    await request.app[STORE].write(work)
    return reply({"organization_id": organization_id, "apikey": apikey})


async def _list(request: web.Request) -> web.Response:
    key = await _manager(request)

    def read(connection: Connection) -> list[dict[str, object]]:
        query = select(orgkeys.c.organization_id, orgkeys.c.apikey, _ID.label("id")).order_by(orgkeys.c.seq)
        if key is not None:
            query = query.where(orgkeys.c.organization_id == organization_of(connection, key))
        return [dict(zip(("organization_id", "apikey", "id"), row, strict=True)) for row in connection.execute(query)]

    return reply(await request.app[STORE].read(read))


async def _remove(request: web.Request) -> web.Response:
    """Revoke a key, named by itself or by its id in the list, in the body or the query."""
    key = await _manager(request)
    fields: Mapping[str, object] = await json_object(request) if request.can_read_body else request.query
    if fields.get("id") is not None:
        field, column, name = "id", _ID, check_name("id", fields["id"])
    else:
        field, column, name = "apikey", orgkeys.c.hash, request.app[STORE].hashed(_apikey(fields))

    def work(records: Records) -> None:
        row = records.connection.execute(select(orgkeys.c.organization_id).where(column == name)).first()
        if row is None or (key is not None and row[0] != organization_of(records.connection, key)):
            raise Problem(404, "not found", "there is no such key", field=field)
        records.connection.execute(delete(orgkeys).where(column == name))
        records.forget()

    await request.app[STORE].write(work)
    return reply({"status": "ok"})


async def _cleanup(request: web.Request) -> web.Response:
    if await _manager(request) is not None:
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
    return reply({"status": "ok"})


def _apikey(fields: Mapping[str, object]) -> str:
    apikey = fields.get("apikey")
    if not isinstance(apikey, str) or not is_key(apikey):
        raise InvalidEvent("apikey", KEY_RULE, apikey)
    return apikey


async def _manager(request: web.Request) -> str | None:
    """Who manages keys: the hash of a key, for its own organization, or None for the super key and all
    organizations.
    """
    key = bearer(request)
    return None if is_super(request, key) else await key_of(request)
