-- Everybody whom an event named, whatever became of it.
SELECT DISTINCT workspace, arrayJoin(identities) AS identity FROM events
