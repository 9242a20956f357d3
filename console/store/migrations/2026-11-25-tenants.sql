-- The desk is tenant 0; below it lie hosters, or owners of their own, and
-- below a hoster his owners. Every row carries its tenant and its branch, the
-- tenant right below the desk under which it lies, so that whatever somebody
-- may see is one value of one column. A machine of one owner has the desk
-- alone, and every row there is the desk's.
CREATE TABLE tenants (
    id      INTEGER PRIMARY KEY,
    parent  INTEGER NOT NULL REFERENCES tenants (id),
    branch  INTEGER NOT NULL, -- 0 for the desk
    name    TEXT    NOT NULL,
    keep    INTEGER NOT NULL, -- days that its events are kept; 0 as long as everybody's
    created INTEGER NOT NULL,
    UNIQUE (parent, name)
) STRICT;
INSERT INTO tenants (id, parent, branch, name, keep, created) VALUES (0, 0, 0, '', 0, 0);

-- Whose a site is. home is the tenant of the edges that report it: what they
-- report can become his or that of somebody below him, and nobody else's.
CREATE TABLE sites (
    home   INTEGER NOT NULL REFERENCES tenants (id),
    name   TEXT    NOT NULL,
    branch INTEGER NOT NULL,
    tenant INTEGER NOT NULL REFERENCES tenants (id),
    PRIMARY KEY (home, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX sites_tenant ON sites (tenant, name);
INSERT INTO sites (home, name, branch, tenant) SELECT DISTINCT 0, site, 0, 0 FROM hours;

-- To whom a tenant's new sites go that end in a suffix; the longest decides.
CREATE TABLE site_rules (
    home   INTEGER NOT NULL REFERENCES tenants (id),
    suffix TEXT    NOT NULL, -- ".kitap.kz"
    tenant INTEGER NOT NULL REFERENCES tenants (id),
    PRIMARY KEY (home, suffix)
) STRICT, WITHOUT ROWID;

ALTER TABLE events ADD COLUMN branch INTEGER NOT NULL DEFAULT 0;
ALTER TABLE events ADD COLUMN tenant INTEGER NOT NULL DEFAULT 0;
CREATE INDEX events_branch ON events (branch, key) WHERE branch <> 0;
CREATE INDEX events_tenant ON events (tenant, key) WHERE tenant <> branch;

CREATE TABLE hours_by_tenant (
    hour   INTEGER NOT NULL, -- hours since 1970, UTC
    site   TEXT    NOT NULL,
    class  TEXT    NOT NULL,
    action TEXT    NOT NULL,
    branch INTEGER NOT NULL,
    tenant INTEGER NOT NULL,
    count  INTEGER NOT NULL,
    PRIMARY KEY (hour, site, class, action, tenant)
) STRICT, WITHOUT ROWID;
INSERT INTO hours_by_tenant (hour, site, class, action, branch, tenant, count)
    SELECT hour, site, class, action, 0, 0, count FROM hours;
DROP TABLE hours;
ALTER TABLE hours_by_tenant RENAME TO hours;
CREATE INDEX hours_branch ON hours (branch, hour) WHERE branch <> 0;
CREATE INDEX hours_tenant ON hours (tenant, hour) WHERE tenant <> branch;

ALTER TABLE tallies ADD COLUMN branch INTEGER NOT NULL DEFAULT 0;
ALTER TABLE tallies ADD COLUMN tenant INTEGER NOT NULL DEFAULT 0;
ALTER TABLE losses ADD COLUMN branch INTEGER NOT NULL DEFAULT 0;
ALTER TABLE losses ADD COLUMN tenant INTEGER NOT NULL DEFAULT 0;
ALTER TABLE edges ADD COLUMN branch INTEGER NOT NULL DEFAULT 0;
ALTER TABLE edges ADD COLUMN tenant INTEGER NOT NULL DEFAULT 0;
ALTER TABLE invitations ADD COLUMN tenant INTEGER NOT NULL DEFAULT 0;
ALTER TABLE acts ADD COLUMN branch INTEGER NOT NULL DEFAULT 0;
ALTER TABLE acts ADD COLUMN tenant INTEGER NOT NULL DEFAULT 0;

ALTER TABLE people ADD COLUMN branch INTEGER NOT NULL DEFAULT 0;
ALTER TABLE people ADD COLUMN tenant INTEGER NOT NULL DEFAULT 0;
ALTER TABLE people ADD COLUMN role TEXT NOT NULL DEFAULT 'administrator';
