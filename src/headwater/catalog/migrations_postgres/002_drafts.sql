-- What becomes of an event that names no signal (refuse, draft), and the signals that were made so and wait for approval.
ALTER TABLE catalog_workspace ADD COLUMN unknown_signals TEXT NOT NULL DEFAULT 'refuse';
ALTER TABLE catalog_signal ADD COLUMN draft BOOLEAN NOT NULL DEFAULT false;
