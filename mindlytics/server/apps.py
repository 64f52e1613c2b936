"""Whose data it is: organizations, the keys that belong to them, and their apps. ``keys.py`` changes keys."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Connection, bindparam, insert, select

from .dialects import upsert
from .keyhash import HIDDEN
from .schema import apps, now, organizations, orgkeys


class App(NamedTuple):
    """Whose data: ``scope`` is the number that every row of this app carries."""

    scope: int
    organization_id: str
    app_id: str


_ORGANIZATION = select(orgkeys.c.organization_id).where(orgkeys.c.hash == bindparam("hash"))
_APP = (
    select(apps.c.scope, apps.c.organization_id, apps.c.app_id)
    .join(orgkeys, orgkeys.c.organization_id == apps.c.organization_id)
    .where(orgkeys.c.hash == bindparam("hash"), apps.c.app_id == bindparam("app"))
)


def organization_of(connection: Connection, key_hash: str) -> str | None:
    """The organization that a key belongs to, if the key is known."""
    return connection.execute(_ORGANIZATION, {"hash": key_hash}).scalar()


def find_app(connection: Connection, key_hash: str, app_id: str) -> App | None:
    """The app of this key and app id, if any of its data was ever stored."""
    row = connection.execute(_APP, {"hash": key_hash, "app": app_id}).one_or_none()
    return App(*row) if row else None


def found_organization(connection: Connection, organization_id: str) -> None:
    """Make this organization if it is new."""
    values = {"organization_id": organization_id, "created_at": now()}
    connection.execute(upsert(connection.dialect.name, organizations).values(**values).on_conflict_do_nothing())


def own_organization(connection: Connection, key_hash: str) -> str:
    """The organization of a key. A new key gets one of its own."""
    organization_id = organization_of(connection, key_hash)
    if organization_id is None:
        organization_id = f"org_{key_hash[:16]}"
        found_organization(connection, organization_id)
        values = {"hash": key_hash, "apikey": HIDDEN, "organization_id": organization_id, "created_at": now()}
        connection.execute(insert(orgkeys).values(**values, issued=0))
    return organization_id


def app_of(connection: Connection, key_hash: str, app_id: str) -> App:
    """The app of this key and app id, made if it is new."""
    app = find_app(connection, key_hash, app_id)
    if app is None:
        organization_id = own_organization(connection, key_hash)
        values = {"organization_id": organization_id, "app_id": app_id, "created_at": now()}
        scope = connection.execute(insert(apps).values(**values)).inserted_primary_key
        assert scope is not None
        app = App(scope[0], organization_id, app_id)
    return app
