"""Add the index of words. It is empty, and the server fills it in the background.

The statements are those of this version, independent of ``schema.py`` and ``search/``.
"""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0007"

SQLITE = (
    "ALTER TABLE store ADD COLUMN indexed INTEGER DEFAULT '0' NOT NULL",
    "CREATE TABLE unindexed (seq INTEGER NOT NULL, PRIMARY KEY (seq))",
    "INSERT INTO unindexed SELECT seq FROM users",
    "CREATE VIEW event_texts AS SELECT seq, search_words(event, properties) AS words FROM events",
    "CREATE VIRTUAL TABLE event_words USING"
    " fts5(words, content = 'event_texts', content_rowid = 'seq', detail = none, tokenize = 'ascii')",
    "CREATE VIRTUAL TABLE user_words USING fts5(words, detail = none, tokenize = 'ascii')",
    "CREATE TRIGGER event_words_of_deleted BEFORE DELETE ON events"
    " WHEN old.event IN ('Conversation Turn', 'Conversation Function', 'Feedback')"
    " AND old.seq <= (SELECT indexed FROM store) BEGIN DELETE FROM event_words WHERE rowid = old.seq; END",
    "CREATE TRIGGER user_words_of_deleted AFTER DELETE ON users"
    " BEGIN DELETE FROM user_words WHERE rowid = old.seq; END",
)
POSTGRESQL = (
    "ALTER TABLE store ADD COLUMN indexed bigint DEFAULT '0' NOT NULL",
    "CREATE TABLE unindexed (seq bigint NOT NULL PRIMARY KEY)",
    "INSERT INTO unindexed SELECT seq FROM users",
    "CREATE TABLE event_words (seq bigint PRIMARY KEY, words tsvector NOT NULL)",
    "CREATE INDEX event_words_found ON event_words USING gin (words)",
    "CREATE TABLE user_words (seq bigint PRIMARY KEY, words tsvector NOT NULL)",
    "CREATE INDEX user_words_found ON user_words USING gin (words)",
    "CREATE FUNCTION forget_event_words() RETURNS trigger LANGUAGE plpgsql AS"
    " 'BEGIN DELETE FROM event_words WHERE seq = OLD.seq; RETURN NULL; END'",
    "CREATE FUNCTION forget_user_words() RETURNS trigger LANGUAGE plpgsql AS"
    " 'BEGIN DELETE FROM user_words WHERE seq = OLD.seq; RETURN NULL; END'",
    "CREATE TRIGGER event_words_of_deleted AFTER DELETE ON events FOR EACH ROW EXECUTE FUNCTION forget_event_words()",
    "CREATE TRIGGER user_words_of_deleted AFTER DELETE ON users FOR EACH ROW EXECUTE FUNCTION forget_user_words()",
)


def upgrade() -> None:
    connection = op.get_bind()
    for statement in POSTGRESQL if connection.dialect.name == "postgresql" else SQLITE:
        connection.exec_driver_sql(statement)
