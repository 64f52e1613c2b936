"""Add whom the events of a session named beside its owner.

The statements are those of this version, independent of ``schema.py``.
"""

from __future__ import annotations

from alembic import op

revision = "0012"
down_revision = "0011"

SQLITE = (
    "CREATE TABLE named (scope INTEGER NOT NULL, name TEXT NOT NULL, session INTEGER NOT NULL,"
    " PRIMARY KEY (scope, name, session)) WITHOUT ROWID",
)
POSTGRESQL = (
    'CREATE TABLE named (scope bigint NOT NULL, name text COLLATE "C" NOT NULL, session bigint NOT NULL,'
    " PRIMARY KEY (scope, name, session))",
)
BOTH = ("CREATE INDEX named_in_session ON named (session)",)


def upgrade() -> None:
    connection = op.get_bind()
    for statement in (POSTGRESQL if connection.dialect.name == "postgresql" else SQLITE) + BOTH:
        connection.exec_driver_sql(statement)
