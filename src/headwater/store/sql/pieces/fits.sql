workspace = {workspace:String}
  AND $shown
  AND occurred_ms >= {from_ms:Int64}
  AND occurred_ms < {to_ms:Int64}
  AND ({identity:String} = '' OR has(identities, {identity:String}))
  AND ({signal:String} = '' OR signal = {signal:String})
  AND ({status:String} = '' OR $status = {status:String})
  AND ({lane:String} = '' OR lane = {lane:String})
  AND ({reference:String} = '' OR reference = {reference:String})
  AND ({backfill:String} = '' OR backfill_id = {backfill:String})
