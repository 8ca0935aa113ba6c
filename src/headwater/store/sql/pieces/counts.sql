(reason = '' AND NOT has({excluded:Array(String)}, backfill_id))
