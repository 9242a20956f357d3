-- See the file of the same name without "postgres" for what the columns are.
-- Events stand in partitions of a day; the program makes and drops them, with a
-- unique index on the id in each.
CREATE TABLE events (
    key    BIGINT PRIMARY KEY,
    id     BYTEA    NOT NULL,
    code   TEXT     NOT NULL,
    site   TEXT     NOT NULL,
    kind   TEXT     NOT NULL,
    class  TEXT     NOT NULL,
    action TEXT     NOT NULL,
    client BYTEA,
    words  TSVECTOR NOT NULL,
    body   TEXT     NOT NULL
) PARTITION BY RANGE (key);
CREATE INDEX events_code   ON events (code);
CREATE INDEX events_site   ON events (site, key);
CREATE INDEX events_class  ON events (class, key);
CREATE INDEX events_action ON events (action, key);
CREATE INDEX events_client ON events (client, key) WHERE client IS NOT NULL;
CREATE INDEX events_words  ON events USING gin (words);
CREATE TABLE events_rest PARTITION OF events DEFAULT;
CREATE UNIQUE INDEX events_rest_id ON events_rest (id);

CREATE TABLE event_rules (
    rule BIGINT NOT NULL,
    key  BIGINT NOT NULL,
    PRIMARY KEY (rule, key)
) PARTITION BY RANGE (key);
CREATE TABLE event_rules_rest PARTITION OF event_rules DEFAULT;

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
