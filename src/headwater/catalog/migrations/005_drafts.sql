-- What becomes of an event that names no signal (refuse, draft), and the signals that were made so and wait for approval.
ALTER TABLE workspace ADD COLUMN unknown_signals TEXT NOT NULL DEFAULT 'refuse';
ALTER TABLE signal ADD COLUMN draft INTEGER NOT NULL DEFAULT 0; -- 1: it waits for approval
