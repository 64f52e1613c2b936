"""Keep Idempotency-Keys as hashes, since they may name a person."""

from __future__ import annotations

from alembic import op
from sqlalchemy import text

from mindlytics.server.keyhash import hashed

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    connection = op.get_bind()
    salt = connection.execute(text("SELECT salt FROM store")).scalar_one()
    rows = connection.execute(text("SELECT scope, key FROM idempotency_keys")).all()
    if rows:
        connection.execute(
            text("UPDATE idempotency_keys SET key = :hash WHERE scope = :scope AND key = :key"),
            [{"scope": scope, "key": key, "hash": hashed(key, salt)} for scope, key in rows],
        )
