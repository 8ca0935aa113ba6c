(
    has(
        {identities:Array(String)},
        identities[greatest(1, arrayFirstIndex(one -> NOT has({never:Array(String)}, one), identities))]
    )
    AND NOT $aside
)
