if(replayed_ms > 0, replayed_ms, toUnixTimestamp64Milli(UUIDv7ToDateTime(id, 'UTC')))
