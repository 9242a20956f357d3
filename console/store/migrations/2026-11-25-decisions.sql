-- What was decided for edges. A change of a row gives it the next version, so
-- that what an edge misses is what has a higher one than it has.
CREATE TABLE decisions (
    id        TEXT    PRIMARY KEY,
    version   INTEGER NOT NULL,
    kind      TEXT    NOT NULL,
    audience  TEXT    NOT NULL, -- empty for every edge; edge:ID, tenant:N, branch:N
    stage     TEXT    NOT NULL, -- trial, fleet, ended
    network   TEXT    NOT NULL, -- empty when it is not about one
    body      TEXT    NOT NULL, -- as it travels, JSON
    person    TEXT    NOT NULL, -- who decided; empty for the console itself
    why       TEXT    NOT NULL,
    incident  TEXT    NOT NULL, -- the code that led here
    tenant    INTEGER NOT NULL, -- whose decision it is
    branch    INTEGER NOT NULL,
    made      INTEGER NOT NULL, -- microseconds since 1970, as all times here
    expires   INTEGER NOT NULL,
    ended     INTEGER NOT NULL, -- when it was taken back; 0 while it holds
    ended_by  TEXT    NOT NULL,
    ended_why TEXT    NOT NULL
) STRICT;
CREATE INDEX decisions_version ON decisions (version);
CREATE INDEX decisions_network ON decisions (network);
CREATE INDEX decisions_expires ON decisions (expires);

-- The latest version: one row, so that versions are committed in their order.
CREATE TABLE decision_version (
    id      INTEGER PRIMARY KEY,
    version INTEGER NOT NULL
) STRICT;
INSERT INTO decision_version (id, version) VALUES (1, 0);

-- What met a decision at an edge since its process began.
CREATE TABLE decision_hits (
    decision  TEXT    NOT NULL,
    edge      TEXT    NOT NULL,
    refused   INTEGER NOT NULL,
    witnessed INTEGER NOT NULL,
    agents    INTEGER NOT NULL,
    seen      INTEGER NOT NULL,
    PRIMARY KEY (decision, edge)
) STRICT;

-- Decisions that an edge has not taken; an empty one is a whole batch.
CREATE TABLE decision_objections (
    decision TEXT    NOT NULL,
    edge     TEXT    NOT NULL,
    seen     INTEGER NOT NULL,
    reason   TEXT    NOT NULL,
    detail   TEXT    NOT NULL,
    PRIMARY KEY (decision, edge)
) STRICT;

-- Attacks of a network on a tenant.
CREATE TABLE sightings (
    network TEXT    NOT NULL, -- an address, or a /64
    tenant  INTEGER NOT NULL,
    branch  INTEGER NOT NULL,
    first   INTEGER NOT NULL,
    last    INTEGER NOT NULL,
    count   INTEGER NOT NULL,
    gravity INTEGER NOT NULL, -- of the gravest
    kinds   TEXT    NOT NULL, -- what was tried: classes and rules, a few
    PRIMARY KEY (network, tenant)
) STRICT;
CREATE INDEX sightings_last ON sightings (last);
CREATE INDEX sightings_tenant ON sightings (tenant, last);

-- Who is behind an address that attacks, as an edge sees it.
CREATE TABLE behind (
    network  TEXT    NOT NULL,
    edge     TEXT    NOT NULL,
    tenant   INTEGER NOT NULL,
    seen     INTEGER NOT NULL,
    clean    INTEGER NOT NULL,
    attacks  INTEGER NOT NULL,
    agents   INTEGER NOT NULL,
    sessions INTEGER NOT NULL,
    PRIMARY KEY (network, edge)
) STRICT;
CREATE INDEX behind_seen ON behind (seen);
