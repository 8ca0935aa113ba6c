-- The statements of `state.webhook_tables`, for SQLite and PostgreSQL alike. A parameter is `:name`.

-- name: webhooks
SELECT id, workspace, about, place, created_ms, paused, paused_ms, failing_ms, delivered_ms FROM webhook_webhooks
WHERE workspace = :workspace OR CAST(:every AS INTEGER) = 1 ORDER BY created_ms, id

-- name: webhook
SELECT id, workspace, about, place, created_ms, paused, paused_ms, failing_ms, delivered_ms FROM webhook_webhooks
WHERE workspace = :workspace AND id = :id

-- name: add
INSERT INTO webhook_webhooks (id, workspace, about, place, created_ms)
VALUES (:id, :workspace, :about, :place, :created_ms)

-- name: edit
UPDATE webhook_webhooks SET about = :about WHERE id = :id

-- name: forgive
UPDATE webhook_webhooks SET failing_ms = NULL WHERE id = :id

-- name: pause
UPDATE webhook_webhooks SET paused = :paused, paused_ms = :at_ms WHERE id = :id AND paused IS NULL

-- name: pause_failing
UPDATE webhook_webhooks SET paused = 'failing', paused_ms = :at_ms
WHERE id = :id AND paused IS NULL AND failing_ms <= :since_ms

-- name: resume
UPDATE webhook_webhooks SET paused = NULL, paused_ms = NULL, failing_ms = NULL WHERE id = :id

-- name: renew
UPDATE webhook_deliveries SET attempts = 0, first_ms = NULL, next_ms = :at_ms WHERE webhook = :id AND status = 'pending'

-- name: move
UPDATE webhook_webhooks SET place = :place WHERE id = :id

-- name: give_up
UPDATE webhook_deliveries SET status = 'failed', next_ms = NULL, done_ms = :at_ms
WHERE webhook = :id AND status = 'pending' RETURNING number

-- name: remove
DELETE FROM webhook_webhooks WHERE id = :id

-- name: remove_told
DELETE FROM webhook_told WHERE webhook = :id

-- name: orphans
SELECT number FROM webhook_deliveries
WHERE webhook NOT IN (SELECT id FROM webhook_webhooks) ORDER BY number LIMIT :most

-- name: of_webhook
SELECT number FROM webhook_deliveries WHERE webhook = :id LIMIT :most

-- name: hold
UPDATE webhook_webhooks SET place = place WHERE id = :id RETURNING workspace, place

-- name: deliver
INSERT INTO webhook_deliveries (webhook, id, type, body, created_ms, status, attempts, next_ms, event_id)
VALUES (:webhook, :id, :type, :body, :created_ms, 'pending', 0, :created_ms, :event_id) RETURNING number

-- name: name
INSERT INTO webhook_names (digest, delivery) VALUES (:digest, :delivery) ON CONFLICT DO NOTHING

-- name: tell
INSERT INTO webhook_told (webhook, key) VALUES (:webhook, :key) ON CONFLICT DO NOTHING

-- name: told
SELECT key FROM webhook_told WHERE webhook = :id

-- name: pending
SELECT count(*) FROM webhook_deliveries WHERE webhook = :id AND status = 'pending'

-- name: every
SELECT id FROM webhook_webhooks ORDER BY created_ms, id

-- name: due
SELECT number, webhook, id, type, body, created_ms, status, attempts, first_ms, next_ms, done_ms, event_id
FROM webhook_deliveries WHERE webhook = :id AND status = 'pending' AND next_ms <= :now_ms
    AND (type = 'ping' OR EXISTS (SELECT 1 FROM webhook_webhooks resting WHERE resting.id = :id AND paused IS NULL))
ORDER BY next_ms, number LIMIT :most

-- name: turn
UPDATE webhook_deliveries SET
    status = CASE WHEN status = 'pending' OR :status = 'delivered' THEN :status ELSE status END,
    next_ms = CASE WHEN status = 'pending' THEN CAST(:next_ms AS BIGINT) END,
    done_ms = CASE WHEN status = 'pending' OR :status = 'delivered' THEN :done_ms ELSE done_ms END,
    attempts = attempts + 1, first_ms = coalesce(first_ms, :at_ms)
WHERE number = :number AND status <> 'erased' RETURNING number

-- name: attempt
INSERT INTO webhook_attempts (delivery, at_ms, took_ms, status, error, answer)
SELECT number, :at_ms, :took_ms, CAST(:status AS INTEGER), :error, :answer
FROM webhook_deliveries WHERE number = :number

-- name: succeeded
UPDATE webhook_webhooks SET failing_ms = NULL, delivered_ms = :at_ms WHERE id = :id

-- name: failed
UPDATE webhook_webhooks SET failing_ms = coalesce(failing_ms, :at_ms) WHERE id = :id

-- name: deliveries
SELECT number, webhook, id, type, body, created_ms, status, attempts, first_ms, next_ms, done_ms, event_id
FROM webhook_deliveries
WHERE webhook = :id AND number < :before ORDER BY number DESC LIMIT :most

-- name: deliveries_of
SELECT number, webhook, id, type, body, created_ms, status, attempts, first_ms, next_ms, done_ms, event_id
FROM webhook_deliveries
WHERE webhook = :id AND status = :status AND number < :before ORDER BY number DESC LIMIT :most

-- name: delivery
SELECT number, webhook, id, type, body, created_ms, status, attempts, first_ms, next_ms, done_ms, event_id
FROM webhook_deliveries WHERE id = :message AND webhook = :id

-- name: attempts
SELECT at_ms, took_ms, status, error, answer FROM webhook_attempts WHERE delivery = :number ORDER BY number

-- name: replay
UPDATE webhook_deliveries SET status = 'pending', attempts = 0, first_ms = NULL, next_ms = :at_ms, done_ms = NULL
WHERE webhook = :id AND id = :message AND status <> 'erased' RETURNING number

-- name: replay_failed
UPDATE webhook_deliveries SET status = 'pending', attempts = 0, first_ms = NULL, next_ms = :at_ms, done_ms = NULL
WHERE webhook = :id AND status = 'failed' AND created_ms >= :since_ms RETURNING number

-- name: caused
SELECT number, webhook, webhook_deliveries.id, type, body, webhook_deliveries.created_ms, status, attempts, first_ms,
    next_ms, done_ms, event_id
FROM webhook_deliveries JOIN webhook_webhooks ON webhook_webhooks.id = webhook
WHERE event_id = :event_id AND workspace = :workspace ORDER BY number

-- name: named
SELECT delivery FROM webhook_names WHERE digest = :digest

-- name: erase_delivery
UPDATE webhook_deliveries SET body = :empty, event_id = NULL, next_ms = NULL, done_ms = coalesce(done_ms, :at_ms),
    status = 'erased'
WHERE number = :number

-- name: erase_attempts
UPDATE webhook_attempts SET answer = :empty WHERE delivery = :number

-- name: forget_names
DELETE FROM webhook_names WHERE delivery = :number

-- name: forget_attempts
DELETE FROM webhook_attempts WHERE delivery = :number

-- name: forget_delivery
DELETE FROM webhook_deliveries WHERE number = :number

-- name: old
SELECT number FROM webhook_deliveries WHERE done_ms < :before_ms ORDER BY done_ms LIMIT :most

-- name: beyond
SELECT number FROM webhook_deliveries WHERE webhook = :id AND status <> 'pending'
    AND number < (SELECT min(number) FROM (
        SELECT number FROM webhook_deliveries WHERE webhook = :id AND status <> 'pending'
        ORDER BY number DESC LIMIT :keep) newest)
ORDER BY number LIMIT :most

-- name: count_webhooks
SELECT count(*), count(paused) FROM webhook_webhooks

-- name: count_pending
SELECT count(*) FROM webhook_deliveries WHERE status = 'pending'

-- name: oldest
SELECT min(created_ms) FROM webhook_deliveries
WHERE status = 'pending' AND webhook IN (SELECT id FROM webhook_webhooks WHERE paused IS NULL)
