-- What people did, in order. Each row's seal covers the row and the seal
-- before it, so that a row changed or taken out later shows.
CREATE TABLE acts (
    number INTEGER PRIMARY KEY,
    time   INTEGER NOT NULL, -- microseconds since 1970
    person TEXT    NOT NULL, -- the name it had then; empty when it was nobody's
    act    TEXT    NOT NULL, -- stable name: "sign-in", "password-changed"
    object TEXT    NOT NULL, -- what it was done to, without secrets
    client TEXT    NOT NULL, -- the address it came from
    seal   BLOB    NOT NULL  -- SHA-256
) STRICT;
