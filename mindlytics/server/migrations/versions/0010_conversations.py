"""Find conversations by one index of ids instead of two, which takes less space.

The statements are those of this version, independent of ``schema.py``.
"""

from __future__ import annotations

from alembic import op

revision = "0010"
down_revision = "0009"

INDEXES = (
    "CREATE UNIQUE INDEX conversations_by_id ON conversations (scope, conversation_id, session)",
    "CREATE INDEX conversations_of_session ON conversations (session)",
)
SQLITE = (
    "ALTER TABLE conversations RENAME TO former_conversations",
    "CREATE TABLE conversations (seq INTEGER NOT NULL, scope INTEGER NOT NULL, session INTEGER NOT NULL,"
    " conversation_id TEXT NOT NULL, started_at INTEGER NOT NULL, ended_at INTEGER, properties TEXT NOT NULL,"
    " attributes TEXT NOT NULL, event_count INTEGER NOT NULL, message_count INTEGER NOT NULL, turn_count INTEGER NOT"
    " NULL, function_count INTEGER NOT NULL, prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL, cost"
    " FLOAT, PRIMARY KEY (seq))",
    "INSERT INTO conversations SELECT * FROM former_conversations",
    "DROP TABLE former_conversations",
)
POSTGRESQL = (
    "ALTER TABLE conversations DROP CONSTRAINT conversations_session_conversation_id_key",
    "DROP INDEX conversations_by_id",
)


def upgrade() -> None:
    connection = op.get_bind()
    for statement in (*(POSTGRESQL if connection.dialect.name == "postgresql" else SQLITE), *INDEXES):
        connection.exec_driver_sql(statement)
