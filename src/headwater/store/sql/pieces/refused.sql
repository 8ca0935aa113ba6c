workspace = {workspace:String}
  AND reason != ''
  AND occurred_ms >= {from_ms:Int64}
  AND occurred_ms < {to_ms:Int64}
  AND id NOT IN (
    SELECT id
    FROM events
    WHERE workspace = {workspace:String}
      AND replayed_ms > 0
      AND occurred_ms >= {from_ms:Int64}
      AND occurred_ms < {to_ms:Int64}
  )
  AND NOT has({reverted:Array(String)}, backfill_id)
  AND ({reason:String} = '' OR reason = {reason:String})
  AND ({signal:String} = '' OR signal = {signal:String})
  AND ({backfill:String} = '' OR backfill_id = {backfill:String})
  AND (empty({ids:Array(UUID)}) OR id IN {ids:Array(UUID)})
