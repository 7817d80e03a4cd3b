-- The third step, from version 2 to 3: consents.

CREATE TABLE consents (
    person  TEXT NOT NULL REFERENCES persons (id) ON DELETE CASCADE,
    purpose INTEGER NOT NULL, -- 0 pictures on order
    term    BLOB NOT NULL, -- from and until, seconds since 1970, little endian, sealed by the person's key
    PRIMARY KEY (person, purpose)
) STRICT, WITHOUT ROWID;
