-- A template of store/compile.py: events as they are.
SELECT toString(event_id) AS id, toString(slug) AS signal, occurred_ms, identities, name, data, value
FROM (
    SELECT id AS event_id, signal AS slug, occurred_ms, identities, name, data, value
    FROM events
    WHERE $where
)
