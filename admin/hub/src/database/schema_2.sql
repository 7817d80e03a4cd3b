-- Version 2: what a terminal said it holds is kept as it was signed, so that it can be shown to others later.
ALTER TABLE terminal ADD COLUMN signed BLOB;
