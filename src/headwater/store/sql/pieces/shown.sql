(
    events.reason = ''
    OR events.id NOT IN (SELECT id FROM events WHERE workspace = {workspace:String} AND replayed_ms > 0)
)
