-- Version 3: how much evidence of life a terminal asks for, by name; none where it never said it.
ALTER TABLE terminal ADD COLUMN level TEXT;
