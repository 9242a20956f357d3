-- Edges that report to this console from elsewhere.
CREATE TABLE edges (
    id       TEXT    PRIMARY KEY,
    name     TEXT    NOT NULL,
    key      BLOB    NOT NULL UNIQUE, -- Ed25519, public
    enrolled INTEGER NOT NULL,        -- microseconds since 1970, as all times here
    invited  TEXT    NOT NULL,        -- by whom
    retired  INTEGER,                 -- since then nothing is taken from it; NULL while it serves
    seen     INTEGER NOT NULL,
    version  TEXT    NOT NULL,
    boot     TEXT    NOT NULL,        -- of the process that was heard last
    former   TEXT    NOT NULL,        -- of the process before it
    cloned   INTEGER,                 -- when two processes were heard in turn; NULL when never
    ahead    INTEGER NOT NULL,        -- its clock before ours, milliseconds
    waiting  INTEGER NOT NULL         -- records it still holds
) STRICT, WITHOUT ROWID;

CREATE TABLE invitations (
    code    BLOB    PRIMARY KEY, -- SHA-256 of the code
    person  TEXT    NOT NULL,
    expires INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Up to where an edge's records are committed: written with the records, so
-- that no record is taken twice, however late it comes again.
CREATE TABLE watermarks (
    edge  TEXT    NOT NULL REFERENCES edges (id),
    epoch TEXT    NOT NULL,
    lane  INTEGER NOT NULL,
    seq   INTEGER NOT NULL,
    PRIMARY KEY (edge, epoch, lane)
) STRICT, WITHOUT ROWID;

-- Events of a flood, counted instead of kept.
CREATE TABLE tallies (
    id      BLOB    PRIMARY KEY, -- UUIDv7, 16 bytes
    first   INTEGER NOT NULL,
    last    INTEGER NOT NULL,
    count   INTEGER NOT NULL,
    site    TEXT    NOT NULL,
    action  TEXT    NOT NULL,
    class   TEXT    NOT NULL,
    rule    INTEGER NOT NULL,
    reason  TEXT    NOT NULL,
    network TEXT    NOT NULL,
    path    TEXT    NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX tallies_last ON tallies (last);
