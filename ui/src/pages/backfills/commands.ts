/** A first backfill, from a terminal. `KEY` stands for the sender's key, which no page knows. */
export function firstBackfill(origin = window.location.origin): string {
  return `curl ${origin}/v1/backfills \\
  -H 'Authorization: Bearer KEY' -H 'Content-Type: application/json' \\
  -d '{"name": "orders of 2025"}'
${sendInto("bf_…", origin)}`;
}

/** How events join a backfill. */
export function sendInto(id: string, origin = window.location.origin): string {
  return `curl ${origin}/integrations/bikPlatformFunctions-events/sendEvents \\
  -H 'Authorization: Bearer KEY' -H 'Content-Type: application/json' -H 'Headwater-Backfill: ${id}' \\
  -d '{"events": [{"email": "ada@example.com", "eventName": "ordered", "createdAt": "2025-01-01T10:00:00Z",
       "eventProperties": {"orderId": "o-1"}}]}'`;
}

export const IMPORT = `headwater import orders.csv --dialect bik --backfill "orders of 2025" \\
  --map mail=email --map order=eventProperties.orderId --set eventName=ordered`;
