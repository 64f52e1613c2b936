"""Organizations and their API keys: who may make, list, move and remove keys, and the emptying of a test server.

A key manages the keys of its own organization, the super key those of all. A key is shown once, to whoever makes it;
from then on it is a hash, and listed by its ends and an id. Which keys a server takes is decided in
``http.py``; a key that is new to a server that takes any gets its organization in ``records.py``.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Mapping
from typing import Any

from aiohttp import WSCloseCode, web

from ..errors import InvalidEvent
from ..validators import check_name
from .http import MAX_HEADER, STORE, Problem, bearer, is_super, json_object, key_of, reply
from .keyhash import ID_DIGITS, shown
from .live import LIVE
from .records import Records, organization_of
from .schema import now

ORGKEYS_PATH = "/bc/v1/orgkeys"
CLEANUP_PATH = "/bc/v1/db/_cleanup"

_ID = f"substr(hash, 1, {ID_DIGITS})"


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
    given = await json_object(request)
    organization_id = check_name("organization_id", given.get("organization_id"))
    apikey = _apikey(given)
    if is_super(request, apikey):
        raise InvalidEvent("apikey", "another than the super key", apikey)
    return await _write(request, key, organization_id, apikey)


async def _write(request: web.Request, key: str | None, organization_id: str, apikey: str) -> web.Response:
    key_hash = request.app[STORE].hashed(apikey)

    def work(records: Records) -> None:
        connection = records.connection
        if key is not None:
            own = records.organization(key)
            if organization_id != own:
                raise Problem(403, "forbidden", "the organization is another's: that needs the super key")
            if organization_of(connection, key_hash) not in (own, None):
                raise Problem(403, "forbidden", "the key is another organization's: that needs the super key")
        connection.execute(
            "INSERT OR IGNORE INTO organizations (organization_id, created_at) VALUES (?, ?)", (organization_id, now())
        )
        connection.execute(
            "INSERT INTO orgkeys (hash, apikey, organization_id, created_at, issued) VALUES (?, ?, ?, ?, 1)"
            " ON CONFLICT (hash) DO UPDATE SET organization_id = excluded.organization_id, issued = 1",
            (key_hash, shown(apikey), organization_id, now()),
        )
        records.forget()

    await request.app[STORE].write(work)
    return reply({"organization_id": organization_id, "apikey": apikey})


async def _list(request: web.Request) -> web.Response:
    key = await _manager(request)

    def read(connection: sqlite3.Connection) -> list[dict[str, Any]]:
        sql, parameters = f"SELECT organization_id, apikey, {_ID} AS id FROM orgkeys", []
        if key is not None:
            sql += " WHERE organization_id = (SELECT organization_id FROM orgkeys WHERE hash = ?)"
            parameters = [key]
        return [dict(row) for row in connection.execute(f"{sql} ORDER BY seq", parameters)]

    return reply(await request.app[STORE].read(read))


async def _remove(request: web.Request) -> web.Response:
    """Take a key no more: the key itself, or the id under which it is listed, in the body or the query."""
    key = await _manager(request)
    given: Mapping[str, Any] = await json_object(request) if request.can_read_body else request.query
    if given.get("id") is not None:
        field, column, name = "id", _ID, check_name("id", given["id"])
    else:
        field, column, name = "apikey", "hash", request.app[STORE].hashed(_apikey(given))

    def work(records: Records) -> None:
        sql = f"FROM orgkeys WHERE {column} = ?"
        row = records.connection.execute(f"SELECT organization_id {sql}", (name,)).fetchone()
        if row is None or (key is not None and row[0] != organization_of(records.connection, key)):
            raise Problem(404, "not found", "there is no such key", field=field)
        records.connection.execute(f"DELETE {sql}", (name,))
        records.forget()

    await request.app[STORE].write(work)
    return reply({"status": "ok"})


async def _cleanup(request: web.Request) -> web.Response:
    if await _manager(request) is not None:
        raise Problem(403, "forbidden", "only the super key, given when the server is started, empties it")

    def work(records: Records) -> None:
        tables = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%' AND name <> 'salt'"
        for (name,) in records.connection.execute(tables).fetchall():
            records.connection.execute(f'DELETE FROM "{name}"')
        records.forget()

    await request.app[STORE].write(work)
    request.app[LIVE].forget(WSCloseCode.SERVICE_RESTART, "the server was emptied")
    return reply({"status": "ok"})


def _apikey(given: Mapping[str, Any]) -> str:
    apikey = given.get("apikey")
    if not isinstance(apikey, str) or not 0 < len(apikey) <= MAX_HEADER or not apikey.isprintable() or " " in apikey:
        raise InvalidEvent("apikey", f"1 to {MAX_HEADER} printable characters without spaces", apikey)
    return apikey


async def _manager(request: web.Request) -> str | None:
    """Who manages keys: the hash of a key, its own organization's; None: the super key, all."""
    key = bearer(request)
    return None if is_super(request, key) else await key_of(request)
