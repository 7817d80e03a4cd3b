-- What the hub keeps. Written for SQLite; the driver of PostgreSQL translates the names of the types.
-- A version that was released is never edited: the next one is a file of its own.

-- Numbers are handed out by one row, which stays locked until its transaction ends: whoever has seen number n has seen
-- everything that will ever stand before it, also where several hubs write.
CREATE TABLE arrival (
  one INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
  newest INTEGER NOT NULL
) STRICT;
INSERT INTO arrival (one, newest) VALUES (1, 0);

-- The sites, with what their rosters began with: a configuration that names another root is noticed.
CREATE TABLE site (
  site TEXT NOT NULL PRIMARY KEY,
  root BLOB NOT NULL,
  genesis BLOB NOT NULL,
  denial BLOB
) STRICT;

-- Roster entries as they were signed.
CREATE TABLE roster (
  site TEXT NOT NULL REFERENCES site (site),
  seq INTEGER NOT NULL,
  bytes BLOB NOT NULL,
  hash BLOB NOT NULL,
  PRIMARY KEY (site, seq)
) STRICT;

-- Audit trails. A terminal whose store is new begins a new one. `signed` is the newest batch as its terminal signed it:
-- with the chain before it, it proves the whole trail.
CREATE TABLE trail (
  trail INTEGER NOT NULL PRIMARY KEY,
  site TEXT NOT NULL REFERENCES site (site),
  terminal TEXT NOT NULL,
  genesis BLOB NOT NULL,
  seq INTEGER NOT NULL,
  hash BLOB NOT NULL,
  signed BLOB,
  UNIQUE (site, terminal, genesis)
) STRICT;

-- Audit records, each once, with what of them is searched for.
CREATE TABLE record (
  trail INTEGER NOT NULL REFERENCES trail (trail),
  seq INTEGER NOT NULL,
  number INTEGER NOT NULL UNIQUE,
  bytes BLOB NOT NULL,
  hash BLOB NOT NULL,
  at_ms INTEGER NOT NULL,
  person TEXT,
  PRIMARY KEY (trail, seq)
) STRICT;
CREATE INDEX record_of_person ON record (person, number) WHERE person IS NOT NULL;

-- What somebody should look at, until it is over.
CREATE TABLE alarm (
  number INTEGER NOT NULL PRIMARY KEY,
  site TEXT NOT NULL,
  terminal TEXT NOT NULL,
  what TEXT NOT NULL,
  raised_ms INTEGER NOT NULL,
  cleared_ms INTEGER
) STRICT;
CREATE UNIQUE INDEX alarm_open ON alarm (site, terminal, what) WHERE cleared_ms IS NULL;

-- How terminals said they are. `heard_ms` is by the hub's clock: when one last said something new.
CREATE TABLE terminal (
  site TEXT NOT NULL REFERENCES site (site),
  terminal TEXT NOT NULL,
  heard_ms INTEGER NOT NULL,
  trail INTEGER NOT NULL,
  session BLOB NOT NULL,
  start INTEGER NOT NULL,
  link INTEGER NOT NULL,
  online INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  version TEXT NOT NULL,
  clock INTEGER NOT NULL,
  trail_seq INTEGER NOT NULL,
  roster_seq INTEGER NOT NULL,
  roster_state BLOB NOT NULL,
  halted TEXT,
  health_seq INTEGER NOT NULL,
  waiting INTEGER,
  memory_kib INTEGER,
  room_kib INTEGER,
  temperature_mc INTEGER,
  faults TEXT,
  PRIMARY KEY (site, terminal)
) STRICT;

-- Terminals' answers to orders.
CREATE TABLE receipt (
  hash BLOB NOT NULL PRIMARY KEY,
  number INTEGER NOT NULL UNIQUE,
  site TEXT NOT NULL,
  terminal TEXT NOT NULL,
  bytes BLOB NOT NULL,
  done INTEGER NOT NULL,
  words TEXT,
  kept_ms INTEGER NOT NULL
) STRICT;
