-- An event's key is its time: microseconds since 1970 times 1024, plus a
-- number that tells events of one microsecond apart. Every index ends with
-- the key by itself, so every filter comes out in the order of time.
CREATE TABLE events (
    key    INTEGER PRIMARY KEY,
    id     BLOB    NOT NULL UNIQUE, -- UUIDv7, 16 bytes
    code   TEXT    NOT NULL,
    site   TEXT    NOT NULL,
    kind   TEXT    NOT NULL,
    class  TEXT    NOT NULL,
    action TEXT    NOT NULL,
    client BLOB,                    -- 16 bytes, IPv4 mapped; NULL when unknown
    body   TEXT    NOT NULL         -- the whole event, JSON
) STRICT;
CREATE INDEX events_code   ON events (code);
CREATE INDEX events_site   ON events (site);
CREATE INDEX events_class  ON events (class);
CREATE INDEX events_action ON events (action);
CREATE INDEX events_client ON events (client) WHERE client IS NOT NULL;

CREATE TABLE event_rules (
    rule INTEGER NOT NULL,
    key  INTEGER NOT NULL,
    PRIMARY KEY (rule, key)
) STRICT, WITHOUT ROWID;

-- Words of an event; rowid is its key.
CREATE VIRTUAL TABLE event_words USING fts5 (
    words, content = '', contentless_delete = 1, tokenize = 'unicode61'
);

-- Counts that no page has to compute from events. They outlive them.
CREATE TABLE hours (
    hour   INTEGER NOT NULL, -- hours since 1970, UTC
    site   TEXT    NOT NULL,
    class  TEXT    NOT NULL,
    action TEXT    NOT NULL,
    count  INTEGER NOT NULL,
    PRIMARY KEY (hour, site, class, action)
) STRICT, WITHOUT ROWID;

CREATE TABLE losses (
    id       TEXT    PRIMARY KEY,
    first    INTEGER NOT NULL, -- microseconds since 1970
    last     INTEGER NOT NULL,
    count    INTEGER NOT NULL,
    reason   TEXT    NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX losses_last ON losses (last);

CREATE TABLE people (
    id       INTEGER PRIMARY KEY,
    name     TEXT    NOT NULL UNIQUE COLLATE NOCASE, -- what one signs in with
    password TEXT    NOT NULL, -- argon2id in PHC form; empty until one was chosen
    language TEXT    NOT NULL, -- BCP 47; empty follows the browser
    created  INTEGER NOT NULL
) STRICT;

CREATE TABLE sessions (
    token   BLOB    PRIMARY KEY, -- SHA-256 of the cookie's value
    person  INTEGER NOT NULL REFERENCES people (id) ON DELETE CASCADE,
    handle  TEXT    NOT NULL UNIQUE, -- what a page may call it
    created INTEGER NOT NULL,
    seen    INTEGER NOT NULL,
    client  TEXT    NOT NULL,
    agent   TEXT    NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_person ON sessions (person);

CREATE TABLE links (
    token   BLOB    PRIMARY KEY, -- SHA-256 of the link's secret
    person  INTEGER NOT NULL REFERENCES people (id) ON DELETE CASCADE,
    expires INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE settings (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
