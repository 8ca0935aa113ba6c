-- Marks, for a job, events of some signals that occurred before their signal's moment; `most` of them at once.
INSERT INTO doomed (job, id)
SELECT DISTINCT {job:String}, id
FROM events
WHERE workspace = {workspace:String}
  AND signal_id IN {signals:Array(String)}
  AND occurred_ms < {befores:Array(Int64)}[indexOf({signals:Array(String)}, signal_id)]
  AND $committed
LIMIT {most:UInt64}
