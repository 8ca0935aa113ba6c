arrayExists(
    (one, other, until) -> toUnixTimestamp64Milli(UUIDv7ToDateTime(id, 'UTC')) <= until
        AND has(identities, one) AND has(identities, other),
    {ones:Array(String)}, {others:Array(String)}, {untils:Array(Int64)}
)
