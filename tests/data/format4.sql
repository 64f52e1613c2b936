PRAGMA application_id = 1296849235;
PRAGMA user_version = 4;
BEGIN TRANSACTION;
CREATE TABLE aliases (
    scope INTEGER, alias TEXT, user_id TEXT NOT NULL, PRIMARY KEY (scope, alias)
) WITHOUT ROWID;
INSERT INTO "aliases" VALUES(1,'u','u');
INSERT INTO "aliases" VALUES(2,'u','u');
INSERT INTO "aliases" VALUES(3,'u','u');
CREATE TABLE antonnia (
    seq INTEGER PRIMARY KEY, scope INTEGER NOT NULL, kind TEXT NOT NULL, id TEXT NOT NULL, session_id TEXT,
    document TEXT NOT NULL, UNIQUE (scope, kind, id)
);
CREATE TABLE apps (
    scope INTEGER PRIMARY KEY AUTOINCREMENT, organization_id TEXT NOT NULL, app_id TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    UNIQUE (organization_id, app_id)
);
INSERT INTO "apps" VALUES(1,'org_25bf8e1a2393f110','app',1795704710660623);
INSERT INTO "apps" VALUES(2,'org_32ef05b808000157','app',1795704710665671);
INSERT INTO "apps" VALUES(3,'mill','app',1795704710684986);
CREATE TABLE conversations (
    seq INTEGER PRIMARY KEY, scope INTEGER NOT NULL, session_id TEXT NOT NULL, conversation_id TEXT NOT NULL,
    user_id TEXT NOT NULL, started_at INTEGER NOT NULL, ended_at INTEGER,
    properties TEXT NOT NULL, attributes TEXT NOT NULL,
    event_count INTEGER NOT NULL, message_count INTEGER NOT NULL, turn_count INTEGER NOT NULL,
    function_count INTEGER NOT NULL, prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL, cost REAL,
    UNIQUE (scope, session_id, conversation_id)
);
INSERT INTO "conversations" VALUES(1,1,'s','c','u',1743665710000000,NULL,'{}','{}',2,2,1,0,0,0,NULL);
INSERT INTO "conversations" VALUES(2,2,'s','c','u',1743665710000000,NULL,'{}','{}',2,2,1,0,0,0,NULL);
INSERT INTO "conversations" VALUES(3,3,'s','c','u',1743665710000000,NULL,'{}','{}',2,2,1,0,0,0,NULL);
CREATE TABLE devices (
    scope INTEGER, device_id TEXT, user_id TEXT NOT NULL, PRIMARY KEY (scope, device_id)
) WITHOUT ROWID;
CREATE TABLE events (
    seq INTEGER PRIMARY KEY, scope INTEGER NOT NULL, event_id TEXT NOT NULL, origin_event_id TEXT,
    session_id TEXT NOT NULL, conversation_id TEXT, user_id TEXT NOT NULL, timestamp INTEGER NOT NULL,
    event TEXT NOT NULL, properties TEXT NOT NULL, user_traits TEXT, message_index INTEGER
);
INSERT INTO "events" VALUES(1,1,'01a21857660468987d64950000000001','01a21857660468987d64950000000000','s',NULL,'u',1743665710000000,'Session Started','{}',NULL,NULL);
INSERT INTO "events" VALUES(2,1,'01a21857660468987d64950000000002','01a21857660468987d64950000000000','s','c','u',1743665710000000,'Conversation Started','{}',NULL,NULL);
INSERT INTO "events" VALUES(3,1,'01a21857660468987d64950000000000',NULL,'s','c','u',1743665710000000,'Conversation Turn','{"user":"hi","assistant":"hello"}',NULL,0);
INSERT INTO "events" VALUES(4,2,'01a21857660468987d64950000000004','01a21857660468987d64950000000003','s',NULL,'u',1743665710000000,'Session Started','{}',NULL,NULL);
INSERT INTO "events" VALUES(5,2,'01a21857660468987d64950000000005','01a21857660468987d64950000000003','s','c','u',1743665710000000,'Conversation Started','{}',NULL,NULL);
INSERT INTO "events" VALUES(6,2,'01a21857660468987d64950000000003',NULL,'s','c','u',1743665710000000,'Conversation Turn','{"user":"of the app","assistant":"yes"}',NULL,0);
INSERT INTO "events" VALUES(7,3,'01a21857661d4209a76b740000000001','01a21857661d4209a76b740000000000','s',NULL,'u',1743665710000000,'Session Started','{}',NULL,NULL);
INSERT INTO "events" VALUES(8,3,'01a21857661d4209a76b740000000002','01a21857661d4209a76b740000000000','s','c','u',1743665710000000,'Conversation Started','{}',NULL,NULL);
INSERT INTO "events" VALUES(9,3,'01a21857661d4209a76b740000000000',NULL,'s','c','u',1743665710000000,'Conversation Turn','{"user":"issued","assistant":"yes"}',NULL,0);
CREATE TABLE idempotency_keys (
    scope INTEGER, key TEXT, seen_at INTEGER NOT NULL, answer TEXT, PRIMARY KEY (scope, key)
) WITHOUT ROWID;
INSERT INTO "idempotency_keys" VALUES(1,'batch-1',1795704710660700,NULL);
CREATE TABLE intents (
    seq INTEGER PRIMARY KEY, scope INTEGER NOT NULL, session_id TEXT NOT NULL, conversation_id TEXT NOT NULL,
    intent TEXT NOT NULL, intent_fulfilled TEXT NOT NULL, summary TEXT, sentiment TEXT,
    informed_at INTEGER NOT NULL, informed_by TEXT NOT NULL, closed_at INTEGER NOT NULL, closed_by TEXT NOT NULL,
    analysis TEXT NOT NULL
);
CREATE TABLE organizations (
    seq INTEGER PRIMARY KEY, organization_id TEXT NOT NULL UNIQUE, created_at INTEGER NOT NULL
);
INSERT INTO "organizations" VALUES(1,'org_25bf8e1a2393f110',1795704710660419);
INSERT INTO "organizations" VALUES(2,'org_32ef05b808000157',1795704710665517);
INSERT INTO "organizations" VALUES(3,'mill',1795704710680622);
CREATE TABLE orgkeys (
    seq INTEGER PRIMARY KEY, apikey TEXT NOT NULL UNIQUE, organization_id TEXT NOT NULL, created_at INTEGER NOT NULL,
    issued INTEGER NOT NULL DEFAULT 0
);
INSERT INTO "orgkeys" VALUES(1,'local','org_25bf8e1a2393f110',1795704710660477,0);
INSERT INTO "orgkeys" VALUES(2,'an-app-of-mine','org_32ef05b808000157',1795704710665554,0);
INSERT INTO "orgkeys" VALUES(3,'mlk_iIs7CLSXkO6gRjC0Tq2nVwzYb3Me9dFh','mill',1795704710680660,1);
CREATE TABLE sessions (
    seq INTEGER PRIMARY KEY, scope INTEGER NOT NULL, session_id TEXT NOT NULL, user_id TEXT NOT NULL, device_id TEXT,
    started_at INTEGER NOT NULL, ended_at INTEGER, attributes TEXT NOT NULL, event_count INTEGER NOT NULL,
    UNIQUE (scope, session_id)
);
INSERT INTO "sessions" VALUES(1,1,'s','u',NULL,1743665710000000,NULL,'{}',3);
INSERT INTO "sessions" VALUES(2,2,'s','u',NULL,1743665710000000,NULL,'{}',3);
INSERT INTO "sessions" VALUES(3,3,'s','u',NULL,1743665710000000,NULL,'{}',3);
CREATE TABLE unanalysed (
    seq INTEGER PRIMARY KEY, scope INTEGER NOT NULL, session_id TEXT NOT NULL, conversation_id TEXT NOT NULL,
    event_id TEXT NOT NULL, timestamp INTEGER NOT NULL, noted_at INTEGER NOT NULL
);
CREATE TABLE users (
    seq INTEGER PRIMARY KEY, scope INTEGER NOT NULL, user_id TEXT NOT NULL, id TEXT NOT NULL,
    anonymous INTEGER NOT NULL, aliases TEXT NOT NULL, created_at INTEGER NOT NULL, traits TEXT NOT NULL,
    UNIQUE (scope, user_id)
);
INSERT INTO "users" VALUES(1,1,'u','u',0,'["u"]',1795704710661604,'{}');
INSERT INTO "users" VALUES(2,2,'u','u',0,'["u"]',1795704710665753,'{}');
INSERT INTO "users" VALUES(3,3,'u','u',0,'["u"]',1795704710685758,'{}');
CREATE INDEX sessions_of_user ON sessions (scope, user_id);
CREATE INDEX conversations_by_id ON conversations (scope, conversation_id);
CREATE INDEX conversations_of_user ON conversations (scope, user_id);
CREATE INDEX events_by_id ON events (event_id);
CREATE INDEX events_of_session ON events (session_id);
CREATE INDEX events_of_conversation ON events (conversation_id) WHERE conversation_id IS NOT NULL;
CREATE VIEW messages AS
    SELECT seq, scope, event_id, session_id, conversation_id, user_id, timestamp,
           message_index + (role = 'assistant' AND json_extract(properties, '$.user') <> '') AS "index",
           role, json_extract(properties, '$.' || role) AS content
      FROM events CROSS JOIN (SELECT 'user' AS role UNION ALL SELECT 'assistant')
     WHERE message_index IS NOT NULL AND json_extract(properties, '$.' || role) <> '';
CREATE INDEX antonnia_in_order ON antonnia (scope, kind);
CREATE INDEX antonnia_by_session ON antonnia (scope, kind, session_id);
CREATE INDEX antonnia_by_contact ON antonnia (scope, kind, json_extract(document, '$.contact_id'));
CREATE INDEX antonnia_by_provider ON antonnia (scope, kind, json_extract(document, '$.provider_message_id'));
CREATE INDEX intents_of_session ON intents (session_id);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('apps',3);
COMMIT;
