-- The second step, from version 1 to 2: credentials.

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
