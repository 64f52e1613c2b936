PRAGMA application_id = 1296849235;
PRAGMA user_version = 6;
BEGIN TRANSACTION;
CREATE TABLE aliases (
    scope INTEGER, alias TEXT, user_id TEXT NOT NULL, PRIMARY KEY (scope, alias)
) WITHOUT ROWID;
INSERT INTO "aliases" VALUES(1,'ada','ada');
INSERT INTO "aliases" VALUES(1,'ada@mill.example','ada');
INSERT INTO "aliases" VALUES(1,'ml_452a812810f298b26596ed50','ml_452a812810f298b26596ed50');
CREATE TABLE antonnia (
    seq INTEGER PRIMARY KEY, scope INTEGER NOT NULL, kind TEXT NOT NULL, id TEXT NOT NULL, session_id TEXT,
    document TEXT NOT NULL, UNIQUE (scope, kind, id)
);
INSERT INTO "antonnia" VALUES(1,2,'session','sess_333f2ee28ea946c98e34d8be167e8e90',NULL,'{"id":"sess_333f2ee28ea946c98e34d8be167e8e90","contact_id":"bob","contact_name":"Bob","organization_id":"org_546e6c8d0014bf0f","thread_id":null,"conversation_id":"conv_6908fd5b5c3a49a5bf3547f9ff0bf3b2","status":"open","agent_id":null,"ending_survey_submission_id":null,"metadata":{},"created_at":"2026-11-26T19:29:11.295642Z","updated_at":null}');
INSERT INTO "antonnia" VALUES(2,2,'message','msg_b4b917b84522481b99bf4a86df3a64aa','sess_333f2ee28ea946c98e34d8be167e8e90','{"id":"msg_b4b917b84522481b99bf4a86df3a64aa","session_id":"sess_333f2ee28ea946c98e34d8be167e8e90","conversation_id":"conv_6908fd5b5c3a49a5bf3547f9ff0bf3b2","organization_id":"org_546e6c8d0014bf0f","provider_message_id":null,"replied_provider_message_id":null,"run_id":null,"role":"user","content":{"type":"text","text":"Hello!"},"created_at":"2026-11-26T19:29:11.308652Z","delivery_status":"pending","delivery_error_code":null,"delivery_error_message":null,"delivered_at":null,"updated_at":null}');
CREATE TABLE apps (
    scope INTEGER PRIMARY KEY AUTOINCREMENT, organization_id TEXT NOT NULL, app_id TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    UNIQUE (organization_id, app_id)
);
INSERT INTO "apps" VALUES(1,'org_546e6c8d0014bf0f','app',1795721349509430);
INSERT INTO "apps" VALUES(2,'org_546e6c8d0014bf0f','antonnia',1795721351295440);
CREATE TABLE conversations (
    seq INTEGER PRIMARY KEY, scope INTEGER NOT NULL, session_id TEXT NOT NULL, conversation_id TEXT NOT NULL,
    user_id TEXT NOT NULL, started_at INTEGER NOT NULL, ended_at INTEGER,
    properties TEXT NOT NULL, attributes TEXT NOT NULL,
    event_count INTEGER NOT NULL, message_count INTEGER NOT NULL, turn_count INTEGER NOT NULL,
    function_count INTEGER NOT NULL, prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL, cost REAL,
    UNIQUE (scope, session_id, conversation_id)
);
INSERT INTO "conversations" VALUES(1,1,'s','c','ada',1743663720250000,1743664020250000,'{}','{}',9,4,2,1,5,7,NULL);
INSERT INTO "conversations" VALUES(2,1,'t','c','ml_452a812810f298b26596ed50',1743664080250000,NULL,'{}','{}',2,2,1,0,0,0,NULL);
CREATE TABLE devices (
    scope INTEGER, device_id TEXT, user_id TEXT NOT NULL, PRIMARY KEY (scope, device_id)
) WITHOUT ROWID;
INSERT INTO "devices" VALUES(1,'phone','ml_452a812810f298b26596ed50');
INSERT INTO "devices" VALUES(1,'tablet','ada');
CREATE TABLE events (
    seq INTEGER PRIMARY KEY, scope INTEGER NOT NULL, event_id TEXT NOT NULL, origin_event_id TEXT,
    session_id TEXT NOT NULL, conversation_id TEXT, user_id TEXT NOT NULL, timestamp INTEGER NOT NULL,
    event TEXT NOT NULL, properties TEXT NOT NULL, user_traits TEXT, message_index INTEGER
);
INSERT INTO "events" VALUES(1,1,'01a219554985664afd25070000000000',NULL,'s',NULL,'ada',1743663660250000,'Session Started','{"from":"cart"}',NULL,NULL);
INSERT INTO "events" VALUES(2,1,'01a219554985664afd25070000000002','01a219554985664afd25070000000001','s','c','ada',1743663720250000,'Conversation Started','{}',NULL,NULL);
INSERT INTO "events" VALUES(3,1,'01a219554985664afd25070000000001',NULL,'s','c','ada',1743663720250000,'Conversation Turn','{"user":"Please cancel my order.","assistant":"Done, it is cancelled."}',NULL,0);
INSERT INTO "events" VALUES(4,1,'01a219554985664afd25070000000003',NULL,'s','c','ada',1743663780250000,'Conversation Function','{"name":"cancel_order","args":"{}","result":"ok","runtime":12}',NULL,NULL);
INSERT INTO "events" VALUES(5,1,'01a219554985664afd25070000000004',NULL,'s','c','ada',1743663840250000,'Conversation Usage','{"model":"gpt-4o","prompt_tokens":5,"completion_tokens":7}',NULL,NULL);
INSERT INTO "events" VALUES(6,1,'01a219554985664afd25070000000005',NULL,'s',NULL,'ada',1743663900250000,'User Identified','{}','{"plan":"pro"}',NULL);
INSERT INTO "events" VALUES(7,1,'01a219554985664afd25070000000006',NULL,'s',NULL,'ada',1743663960250000,'User Aliased','{"id":"ada@mill.example","previous_id":"ada"}','{"plan":"pro"}',NULL);
INSERT INTO "events" VALUES(8,1,'01a219554985664afd25070000000008','01a219554985664afd25070000000007','s','c','ada',1743664020250000,'Conversation Ended','{}','{"plan":"pro"}',NULL);
INSERT INTO "events" VALUES(9,1,'01a219554985664afd25070000000007',NULL,'s',NULL,'ada',1743664020250000,'Session Ended','{"resolved":true}','{"plan":"pro"}',NULL);
INSERT INTO "events" VALUES(10,1,'01a219554985664afd2507000000000a','01a219554985664afd25070000000009','t',NULL,'ml_452a812810f298b26596ed50',1743664080250000,'Session Started','{}',NULL,NULL);
INSERT INTO "events" VALUES(11,1,'01a219554985664afd2507000000000b','01a219554985664afd25070000000009','t','c','ml_452a812810f298b26596ed50',1743664080250000,'Conversation Started','{}',NULL,NULL);
INSERT INTO "events" VALUES(12,1,'01a219554985664afd25070000000009',NULL,'t','c','ml_452a812810f298b26596ed50',1743664080250000,'Conversation Turn','{"user":"Wo ist mein Paket? €","assistant":"Unterwegs."}',NULL,0);
INSERT INTO "events" VALUES(13,1,'01a219554985664afd2507000000000c',NULL,'t',NULL,'ml_452a812810f298b26596ed50',1743664140250000,'Rated','{"stars":4}',NULL,NULL);
INSERT INTO "events" VALUES(17,1,'01a219554985664afd25070000000010',NULL,'s','c','ada',1743663840250000,'Conversation Turn','{"user":"late","assistant":"yes"}','{"plan":"pro"}',2);
INSERT INTO "events" VALUES(18,1,'01a219554985664afd25070000000011','01a219554985664afd25070000000001','s','c','ada',1743663720250000,'Intent Informed','{"analysis":"local","intent":"cancel order"}','{"plan":"pro"}',NULL);
INSERT INTO "events" VALUES(19,1,'01a219554985664afd25070000000012','01a219554985664afd25070000000010','s','c','ada',1743663840250000,'Intent Closed','{"analysis":"local","intent":"cancel order","intent_fulfilled":"yes","summary":"cancel_order was called, then: \"yes\"","sentiment":"positive"}','{"plan":"pro"}',NULL);
INSERT INTO "events" VALUES(20,1,'01a219554985664afd25070000000013','01a219554985664afd25070000000008','s','c','ada',1743664020250000,'Conversation Summary','{"analysis":"local","summary":"cancel order (fulfilled)","sentiment":"positive","successful_intents":1,"unsuccessful_intents":0,"turn_count":2,"function_count":1,"duration":300.0,"function_runtime":12.0,"prompt_tokens":5,"completion_tokens":7,"cost":0.0000825,"replaces":"01a219554985664afd2507000000000f"}','{"plan":"pro"}',NULL);
CREATE TABLE idempotency_keys (
    scope INTEGER, key TEXT, seen_at INTEGER NOT NULL, answer TEXT, body BLOB, PRIMARY KEY (scope, key)
) WITHOUT ROWID;
CREATE TABLE intents (
    seq INTEGER PRIMARY KEY, scope INTEGER NOT NULL, session_id TEXT NOT NULL, conversation_id TEXT NOT NULL,
    intent TEXT NOT NULL, intent_fulfilled TEXT NOT NULL, summary TEXT, sentiment TEXT,
    informed_at INTEGER NOT NULL, informed_by TEXT NOT NULL, closed_at INTEGER NOT NULL, closed_by TEXT NOT NULL,
    analysis TEXT NOT NULL
);
INSERT INTO "intents" VALUES(1,1,'s','c','cancel order','yes','cancel_order was called, then: "yes"','positive',1743663720250000,'01a219554985664afd25070000000001',1743663840250000,'01a219554985664afd25070000000010','local');
CREATE TABLE organizations (
    seq INTEGER PRIMARY KEY, organization_id TEXT NOT NULL UNIQUE, created_at INTEGER NOT NULL
);
INSERT INTO "organizations" VALUES(1,'org_546e6c8d0014bf0f',1795721349509213);
CREATE TABLE orgkeys (
    seq INTEGER PRIMARY KEY, hash TEXT NOT NULL UNIQUE, apikey TEXT NOT NULL, organization_id TEXT NOT NULL,
    created_at INTEGER NOT NULL, issued INTEGER NOT NULL DEFAULT 0
);
INSERT INTO "orgkeys" VALUES(1,'546e6c8d0014bf0f64c920cbf64604db','…','org_546e6c8d0014bf0f',1795721349509261,0);
CREATE TABLE salt (salt BLOB NOT NULL);
INSERT INTO "salt" VALUES(X'53A3D7AA6291A4D49D7EC3C8A7F97136554A476C616BA19C68314913A14A2501');
CREATE TABLE sessions (
    seq INTEGER PRIMARY KEY, scope INTEGER NOT NULL, session_id TEXT NOT NULL, user_id TEXT NOT NULL, device_id TEXT,
    started_at INTEGER NOT NULL, ended_at INTEGER, attributes TEXT NOT NULL, event_count INTEGER NOT NULL,
    UNIQUE (scope, session_id)
);
INSERT INTO "sessions" VALUES(1,1,'s','ada','tablet',1743663660250000,1743664020250000,'{"from":"cart","resolved":true}',13);
INSERT INTO "sessions" VALUES(2,1,'t','ml_452a812810f298b26596ed50','phone',1743664080250000,NULL,'{}',4);
CREATE TABLE unanalysed (
    seq INTEGER PRIMARY KEY, scope INTEGER NOT NULL, session_id TEXT NOT NULL, conversation_id TEXT NOT NULL,
    event_id TEXT NOT NULL, timestamp INTEGER NOT NULL, noted_at INTEGER NOT NULL
);
CREATE TABLE users (
    seq INTEGER PRIMARY KEY, scope INTEGER NOT NULL, user_id TEXT NOT NULL, id TEXT NOT NULL,
    anonymous INTEGER NOT NULL, aliases TEXT NOT NULL, created_at INTEGER NOT NULL, traits TEXT NOT NULL,
    UNIQUE (scope, user_id)
);
INSERT INTO "users" VALUES(1,1,'ada','ada@mill.example',0,'["ada","ada@mill.example"]',1795721349510309,'{"plan":"pro"}');
INSERT INTO "users" VALUES(2,1,'ml_452a812810f298b26596ed50','ml_452a812810f298b26596ed50',1,'["ml_452a812810f298b26596ed50"]',1795721349544384,'{}');
CREATE INDEX sessions_of_user ON sessions (scope, user_id);
CREATE INDEX open_sessions ON sessions (ended_at) WHERE ended_at IS NULL;
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
INSERT INTO "sqlite_sequence" VALUES('apps',2);
COMMIT;
