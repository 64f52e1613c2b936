"""Name rows by numbers. Ids are stored once, and ids of events stored before stay the same.

Only SQLite files exist in earlier versions. The statements are those of this version, independent of ``schema.py``.
"""

from __future__ import annotations

import os

from alembic import op
from sqlalchemy import text

revision = "0007"
down_revision = "0006"

FORMER = (
    "organizations",
    "orgkeys",
    "apps",
    "users",
    "aliases",
    "devices",
    "sessions",
    "conversations",
    "events",
    "antonnia",
    "intents",
    "unanalysed",
    "idempotency_keys",
)

TABLES = """
CREATE TABLE aliases (scope INTEGER NOT NULL, alias TEXT NOT NULL, owner INTEGER NOT NULL, PRIMARY KEY (scope,
    alias)) WITHOUT ROWID;
CREATE TABLE antonnia (seq INTEGER NOT NULL, scope INTEGER NOT NULL, kind TEXT NOT NULL, id TEXT NOT NULL,
    session_id TEXT, contact_id TEXT, provider_message_id TEXT, document TEXT NOT NULL, PRIMARY KEY (seq), UNIQUE
    (scope, kind, id));
CREATE INDEX antonnia_by_contact ON antonnia (scope, kind, contact_id, seq);
CREATE INDEX antonnia_by_provider ON antonnia (scope, kind, provider_message_id, seq);
CREATE INDEX antonnia_by_session ON antonnia (scope, kind, session_id, seq);
CREATE INDEX antonnia_in_order ON antonnia (scope, kind, seq);
CREATE TABLE apps (scope INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, organization_id TEXT NOT NULL, app_id TEXT
    NOT NULL, created_at INTEGER NOT NULL, UNIQUE (organization_id, app_id));
CREATE TABLE conversations (seq INTEGER NOT NULL, scope INTEGER NOT NULL, session INTEGER NOT NULL,
    conversation_id TEXT NOT NULL, started_at INTEGER NOT NULL, ended_at INTEGER, properties TEXT NOT NULL,
    attributes TEXT NOT NULL, event_count INTEGER NOT NULL, message_count INTEGER NOT NULL, turn_count INTEGER NOT
    NULL, function_count INTEGER NOT NULL, prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL, cost
    FLOAT, PRIMARY KEY (seq), UNIQUE (session, conversation_id));
CREATE INDEX conversations_by_id ON conversations (scope, conversation_id);
CREATE TABLE devices (scope INTEGER NOT NULL, device_id TEXT NOT NULL, owner INTEGER NOT NULL, PRIMARY KEY
    (scope, device_id)) WITHOUT ROWID;
CREATE TABLE events (seq INTEGER NOT NULL, scope INTEGER NOT NULL, session INTEGER NOT NULL, conversation
    INTEGER, origin INTEGER, timestamp INTEGER NOT NULL, event TEXT NOT NULL, properties TEXT NOT NULL, user_traits
    TEXT, message_index INTEGER, former_id TEXT, PRIMARY KEY (seq));
CREATE INDEX events_by_former_id ON events (former_id) WHERE former_id IS NOT NULL;
CREATE INDEX events_in_time ON events (scope, timestamp);
CREATE INDEX events_of_session ON events (session);
CREATE TABLE idempotency_keys (scope INTEGER NOT NULL, "key" TEXT NOT NULL, seen_at INTEGER NOT NULL, answer
    TEXT, body BLOB, PRIMARY KEY (scope, "key")) WITHOUT ROWID;
CREATE TABLE intents (seq INTEGER NOT NULL, scope INTEGER NOT NULL, session INTEGER NOT NULL, conversation
    INTEGER NOT NULL, intent TEXT NOT NULL, intent_fulfilled TEXT NOT NULL, summary TEXT, sentiment TEXT,
    informed_at INTEGER NOT NULL, informed_by INTEGER NOT NULL, closed_at INTEGER NOT NULL, closed_by INTEGER NOT
    NULL, analysis TEXT NOT NULL, PRIMARY KEY (seq));
CREATE INDEX intents_of_session ON intents (session);
CREATE TABLE organizations (seq INTEGER NOT NULL, organization_id TEXT NOT NULL, created_at INTEGER NOT NULL,
    PRIMARY KEY (seq), UNIQUE (organization_id));
CREATE TABLE orgkeys (seq INTEGER NOT NULL, hash TEXT NOT NULL, apikey TEXT NOT NULL, organization_id TEXT NOT
    NULL, created_at INTEGER NOT NULL, issued SMALLINT NOT NULL, PRIMARY KEY (seq), UNIQUE (hash));
CREATE TABLE sessions (seq INTEGER NOT NULL, scope INTEGER NOT NULL, session_id TEXT NOT NULL, owner INTEGER NOT
    NULL, device_id TEXT, started_at INTEGER NOT NULL, ended_at INTEGER, attributes TEXT NOT NULL, event_count
    INTEGER NOT NULL, PRIMARY KEY (seq), UNIQUE (scope, session_id));
CREATE INDEX open_sessions ON sessions (seq) WHERE ended_at IS NULL;
CREATE INDEX sessions_in_time ON sessions (scope, started_at);
CREATE INDEX sessions_of_user ON sessions (owner);
CREATE TABLE store (salt BLOB NOT NULL, ids TEXT NOT NULL, version INTEGER NOT NULL, last INTEGER NOT NULL);
CREATE TABLE unanalysed (seq INTEGER NOT NULL, scope INTEGER NOT NULL, session INTEGER NOT NULL, conversation
    INTEGER NOT NULL, event INTEGER NOT NULL, timestamp INTEGER NOT NULL, noted_at INTEGER NOT NULL, PRIMARY KEY
    (seq));
CREATE TABLE users (seq INTEGER NOT NULL, scope INTEGER NOT NULL, user_id TEXT NOT NULL, id TEXT NOT NULL,
    anonymous SMALLINT NOT NULL, aliases TEXT NOT NULL, created_at INTEGER NOT NULL, traits TEXT NOT NULL, PRIMARY
    KEY (seq), UNIQUE (scope, user_id));
"""

COPIES = """
INSERT INTO organizations SELECT seq, organization_id, created_at FROM old_organizations;
INSERT INTO orgkeys SELECT seq, hash, apikey, organization_id, created_at, issued FROM old_orgkeys;
INSERT INTO apps SELECT scope, organization_id, app_id, created_at FROM old_apps;
UPDATE sqlite_sequence SET seq = (SELECT max(seq) FROM sqlite_sequence WHERE name IN ('apps', 'old_apps'))
    WHERE name = 'apps';
INSERT INTO users SELECT seq, scope, user_id, id, anonymous, aliases, created_at, traits FROM old_users;
INSERT INTO aliases SELECT a.scope, alias, u.seq FROM old_aliases AS a JOIN old_users AS u USING (scope, user_id);
INSERT INTO devices SELECT d.scope, device_id, u.seq FROM old_devices AS d JOIN old_users AS u USING (scope, user_id);
INSERT INTO sessions
    SELECT s.seq, s.scope, session_id, u.seq, device_id, started_at, ended_at, attributes, event_count
      FROM old_sessions AS s JOIN old_users AS u USING (scope, user_id) ORDER BY s.seq;
INSERT INTO conversations
    SELECT c.seq, c.scope, s.seq, conversation_id, c.started_at, c.ended_at, c.properties, c.attributes, c.event_count,
           message_count, turn_count, function_count, prompt_tokens, completion_tokens, cost
      FROM old_conversations AS c JOIN old_sessions AS s USING (scope, session_id) ORDER BY c.seq;
INSERT INTO events
    SELECT e.seq, e.scope, s.seq, c.seq,
           (SELECT o.seq FROM old_events AS o WHERE o.event_id = e.origin_event_id AND o.scope = e.scope),
           timestamp, event, e.properties, user_traits, message_index, event_id
      FROM old_events AS e JOIN old_sessions AS s USING (scope, session_id)
      LEFT JOIN old_conversations AS c USING (scope, session_id, conversation_id) ORDER BY e.seq;
INSERT INTO antonnia
    SELECT seq, scope, kind, id, session_id, json_extract(document, '$.contact_id'),
           json_extract(document, '$.provider_message_id'), document
      FROM old_antonnia;
INSERT INTO intents
    SELECT i.seq, i.scope, s.seq, c.seq, intent, intent_fulfilled, summary, sentiment, informed_at,
           coalesce((SELECT o.seq FROM old_events AS o WHERE o.event_id = informed_by), 0), closed_at,
           coalesce((SELECT o.seq FROM old_events AS o WHERE o.event_id = closed_by), 0), analysis
      FROM old_intents AS i JOIN old_sessions AS s USING (scope, session_id)
      JOIN old_conversations AS c USING (scope, session_id, conversation_id);
INSERT INTO unanalysed
    SELECT n.seq, n.scope, s.seq, c.seq, e.seq, n.timestamp, noted_at
      FROM old_unanalysed AS n JOIN old_sessions AS s USING (scope, session_id)
      JOIN old_conversations AS c USING (scope, session_id, conversation_id)
      JOIN old_events AS e USING (scope, event_id);
INSERT INTO idempotency_keys SELECT scope, key, seen_at, answer, body FROM old_idempotency_keys;
"""

_LAST = (
    "SELECT max(seq) FROM (SELECT seq FROM events UNION ALL SELECT seq FROM sessions UNION ALL SELECT seq FROM users)"
)
"""Give each conversation a number of its own."""


def upgrade() -> None:
    connection = op.get_bind()
    op.execute("DROP VIEW messages")
    indexes = "SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL AND name <> 'events_by_id'"
    for (name,) in connection.exec_driver_sql(indexes).all():
        op.execute(f"DROP INDEX {name}")
    for name in FORMER:
        op.execute(f"ALTER TABLE {name} RENAME TO old_{name}")
    for statement in (TABLES + COPIES).split(";\n"):
        if statement.strip():
            connection.exec_driver_sql(statement)
    last = connection.exec_driver_sql(_LAST).scalar() or 0
    connection.execute(
        text("INSERT INTO store SELECT salt, :ids, 0, :last FROM salt"), {"ids": os.urandom(8).hex(), "last": last}
    )
    for name in FORMER:
        op.execute(f"DROP TABLE old_{name}")
    op.execute("DROP TABLE salt")
