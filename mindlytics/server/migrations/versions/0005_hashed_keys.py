"""Store keys as hashes, and idempotency keys with their requests."""

from __future__ import annotations

from alembic import op
from sqlalchemy import text

from mindlytics.server.keyhash import hashed, new_salt, shown

revision = "0005"
down_revision = "0004"

STORING = ("/bc/v1/events/queue", "/ingestion.v1alpha.IngestionService/CollectEvents")
"""The addresses whose Idempotency-Keys version 4 stored without the address."""


def upgrade() -> None:
    connection = op.get_bind()
    connection.exec_driver_sql("PRAGMA secure_delete = ON")  # dropped data is overwritten
    salt = new_salt()
    op.execute("CREATE TABLE salt (salt BLOB NOT NULL)")
    connection.execute(text("INSERT INTO salt VALUES (:salt)"), {"salt": salt})
    op.execute(
        "CREATE TABLE orgkeys_5 ("
        " seq INTEGER PRIMARY KEY, hash TEXT NOT NULL UNIQUE, apikey TEXT NOT NULL, organization_id TEXT NOT NULL,"
        " created_at INTEGER NOT NULL, issued INTEGER NOT NULL DEFAULT 0)"
    )
    rows = connection.execute(text("SELECT seq, apikey, organization_id, created_at, issued FROM orgkeys")).all()
    for seq, key, organization_id, created_at, issued in rows:
        connection.exec_driver_sql(
            "INSERT INTO orgkeys_5 VALUES (?, ?, ?, ?, ?, ?)",
            (seq, hashed(key, salt), shown(key), organization_id, created_at, issued),
        )
    op.execute("DROP TABLE orgkeys")
    op.execute("ALTER TABLE orgkeys_5 RENAME TO orgkeys")
    op.execute("ALTER TABLE idempotency_keys ADD COLUMN body BLOB")
    unanswered = "FROM idempotency_keys WHERE answer IS NULL"
    rows = connection.execute(text(f"SELECT scope, key, seen_at {unanswered}")).all()
    op.execute(f"DELETE {unanswered}")
    for path in STORING:
        for scope, key, seen_at in rows:
            connection.exec_driver_sql(
                "INSERT INTO idempotency_keys (scope, key, seen_at) VALUES (?, ?, ?)",
                (scope, f"POST {path} {key}", seen_at),
            )
