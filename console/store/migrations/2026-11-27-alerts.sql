-- Whom a tenant has told.
CREATE TABLE alert_channels (
    id       INTEGER PRIMARY KEY,
    tenant   INTEGER NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    kind     TEXT    NOT NULL, -- mail, telegram, webhook, syslog
    address  TEXT    NOT NULL,
    secret   BLOB    NOT NULL, -- signs a webhook; empty for others
    language TEXT    NOT NULL, -- BCP 47
    quiet    INTEGER NOT NULL, -- minutes since midnight when nothing is told
    loud     INTEGER NOT NULL, -- and when it is told again; the same: no quiet hours
    person   TEXT    NOT NULL, -- who made it
    made     INTEGER NOT NULL, -- microseconds since 1970, as all times here
    sent     INTEGER NOT NULL, -- last delivery; 0 when there was none
    next     INTEGER NOT NULL, -- not before
    tries    INTEGER NOT NULL, -- failed since the last delivery
    cause    TEXT    NOT NULL  -- of the last failure, a stable word
) STRICT;

-- Of what to tell.
CREATE TABLE alert_rules (
    id     INTEGER PRIMARY KEY,
    tenant INTEGER NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    kind   TEXT    NOT NULL, -- client, site, certificate, edge, loss
    site   TEXT    NOT NULL, -- empty: all
    count  INTEGER NOT NULL, -- refusals that are still no news
    within INTEGER NOT NULL, -- seconds
    urgent INTEGER NOT NULL, -- 1: also in quiet hours
    person TEXT    NOT NULL,
    made   INTEGER NOT NULL
) STRICT;

-- What a rule holds of at present, so that it is told once.
CREATE TABLE alert_states (
    rule   INTEGER NOT NULL REFERENCES alert_rules (id) ON DELETE CASCADE,
    object TEXT    NOT NULL,
    first  INTEGER NOT NULL,
    last   INTEGER NOT NULL,
    PRIMARY KEY (rule, object)
) STRICT, WITHOUT ROWID;

-- What is still to be delivered.
CREATE TABLE alert_news (
    id      INTEGER PRIMARY KEY,
    channel INTEGER NOT NULL REFERENCES alert_channels (id) ON DELETE CASCADE,
    kind    TEXT    NOT NULL,
    site    TEXT    NOT NULL,
    object  TEXT    NOT NULL,
    count   INTEGER NOT NULL,
    within  INTEGER NOT NULL,
    over    INTEGER NOT NULL, -- 1: it is no longer so
    urgent  INTEGER NOT NULL,
    at      INTEGER NOT NULL
) STRICT;
CREATE INDEX alert_news_channel ON alert_news (channel);

-- What one process of several does at a time.
CREATE TABLE leases (
    name   TEXT    PRIMARY KEY,
    holder TEXT    NOT NULL,
    until  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
