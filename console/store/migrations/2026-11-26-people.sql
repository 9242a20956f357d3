-- Who was asked to join, by the SHA-256 of the link's secret.
CREATE TABLE people_invitations (
    token   BLOB    PRIMARY KEY,
    handle  TEXT    NOT NULL UNIQUE, -- what a page may call it
    branch  INTEGER NOT NULL,
    tenant  INTEGER NOT NULL REFERENCES tenants (id),
    role    TEXT    NOT NULL,
    invited TEXT    NOT NULL, -- by whom
    note    TEXT    NOT NULL, -- who is meant
    created INTEGER NOT NULL,
    expires INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The program on a telephone that shows a code every half minute (RFC 6238).
CREATE TABLE authenticators (
    person  INTEGER PRIMARY KEY REFERENCES people (id) ON DELETE CASCADE,
    secret  BLOB    NOT NULL,
    used    INTEGER NOT NULL, -- the latest step of which a code was taken: none is taken twice
    created INTEGER NOT NULL
) STRICT;

CREATE TABLE recovery_codes (
    person INTEGER NOT NULL REFERENCES people (id) ON DELETE CASCADE,
    code   BLOB    NOT NULL, -- SHA-256 of eighty random bits
    PRIMARY KEY (person, code)
) STRICT, WITHOUT ROWID;

CREATE TABLE passkeys (
    id         BLOB    PRIMARY KEY,
    person     INTEGER NOT NULL REFERENCES people (id) ON DELETE CASCADE,
    handle     TEXT    NOT NULL UNIQUE, -- what a page may call it
    name       TEXT    NOT NULL,
    credential TEXT    NOT NULL, -- the public key and what belongs to it, JSON
    created    INTEGER NOT NULL,
    used       INTEGER NOT NULL  -- 0 never
) STRICT, WITHOUT ROWID;
CREATE INDEX passkeys_person ON passkeys (person);

-- What began in one request and ends in another: a sign-in that waits for its
-- second factor, a challenge for a passkey.
CREATE TABLE ceremonies (
    token   BLOB    PRIMARY KEY, -- SHA-256 of the cookie's value
    kind    TEXT    NOT NULL,
    person  INTEGER REFERENCES people (id) ON DELETE CASCADE,
    data    TEXT    NOT NULL,
    expires INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
