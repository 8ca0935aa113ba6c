-- Which values never connect two people (a JSON list of identities), and how many identities a profile may have.
ALTER TABLE workspace ADD COLUMN never_connect TEXT NOT NULL DEFAULT '[]';
ALTER TABLE workspace ADD COLUMN max_identities INTEGER NOT NULL DEFAULT 100;
