-- The terminal's database, version 3. This file is the truth about its tables.
--
-- Sealed columns hold nonce (24) || ciphertext || tag (16) of XChaCha20-Poly1305, bound to store, table, row, column
-- and key version, and to the readable columns of their row. Columns named `mac` hold HMAC-SHA256.

-- Settings the store keeps about itself: identity, chain base, state of the gallery, epoch, acknowledgement.
CREATE TABLE meta (
    name  TEXT NOT NULL PRIMARY KEY,
    value BLOB NOT NULL,
    mac   BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- Keys of groups of persons, each wrapped by the epoch key, which is not in this file.
CREATE TABLE key_groups (
    grp     INTEGER NOT NULL PRIMARY KEY,
    wrapped BLOB NOT NULL
) STRICT;

CREATE TABLE persons (
    id             TEXT NOT NULL PRIMARY KEY,
    name           BLOB NOT NULL, -- sealed by the person's key
    valid_from_ms  INTEGER,
    valid_until_ms INTEGER,
    suspended      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Keys of persons, wrapped by the key of their group. Apart from the persons and clustered by group, because an
-- erasure rewrites one group. No foreign key: without an index by person, each erasure would search all groups.
CREATE TABLE person_keys (
    grp     INTEGER NOT NULL,
    person  TEXT NOT NULL,
    wrapped BLOB NOT NULL,
    PRIMARY KEY (grp, person)
) STRICT, WITHOUT ROWID;

-- References. With a rowid, because a long row in a WITHOUT ROWID table spills into overflow pages.
CREATE TABLE templates (
    person        TEXT NOT NULL REFERENCES persons (id) ON DELETE CASCADE,
    slot          INTEGER NOT NULL,
    model         BLOB NOT NULL, -- SHA-256 of the embedding model
    preprocessing INTEGER NOT NULL,
    vector        BLOB NOT NULL, -- 32-bit floats, little endian, sealed by the person's key
    source        TEXT NOT NULL,
    created_ms    INTEGER NOT NULL,
    PRIMARY KEY (person, slot)
) STRICT;

CREATE TABLE rules (
    name  TEXT NOT NULL PRIMARY KEY,
    value BLOB NOT NULL,
    mac   BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- The audit chain; the rows above the acknowledged sequence number are the outbox.
CREATE TABLE audit (
    seq   INTEGER NOT NULL PRIMARY KEY,
    bytes BLOB NOT NULL, -- deterministic CBOR of one entry
    hash  BLOB NOT NULL
) STRICT;

CREATE TABLE checkpoints (
    seq       INTEGER NOT NULL PRIMARY KEY,
    hash      BLOB NOT NULL,
    signature BLOB NOT NULL -- Ed25519
) STRICT;

-- Cards, PINs and QR codes, none of them in clear.
CREATE TABLE credentials (
    person         TEXT NOT NULL REFERENCES persons (id) ON DELETE CASCADE,
    slot           INTEGER NOT NULL,
    kind           INTEGER NOT NULL, -- 0 card, 1 PIN, 2 QR code
    code           BLOB NOT NULL, -- HMAC-SHA256 of the credential under a key of its own, sealed by the person's key
    without_face   INTEGER NOT NULL,
    once           INTEGER NOT NULL,
    valid_until_ms INTEGER,
    created_ms     INTEGER NOT NULL,
    PRIMARY KEY (person, slot)
) STRICT;

-- What persons agreed to beside being recognised.
CREATE TABLE consents (
    person  TEXT NOT NULL REFERENCES persons (id) ON DELETE CASCADE,
    purpose INTEGER NOT NULL, -- 0 pictures on order
    term    BLOB NOT NULL, -- from and until, seconds since 1970, little endian, sealed by the person's key
    PRIMARY KEY (person, purpose)
) STRICT, WITHOUT ROWID;
