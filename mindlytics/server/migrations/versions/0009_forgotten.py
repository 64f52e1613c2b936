"""Add the names of those who are forgotten, as hashes.

The statements are those of this version, independent of ``schema.py``.
"""

from __future__ import annotations

from alembic import op

revision = "0009"
down_revision = "0008"

SQLITE = (
    "CREATE TABLE forgotten (scope INTEGER NOT NULL, name TEXT NOT NULL, until INTEGER NOT NULL,"
    " PRIMARY KEY (scope, name)) WITHOUT ROWID",
)
POSTGRESQL = (
    'CREATE TABLE forgotten (scope bigint NOT NULL, name text COLLATE "C" NOT NULL, until bigint NOT NULL,'
    " PRIMARY KEY (scope, name))",
)


def upgrade() -> None:
    connection = op.get_bind()
    for statement in POSTGRESQL if connection.dialect.name == "postgresql" else SQLITE:
        connection.exec_driver_sql(statement)
