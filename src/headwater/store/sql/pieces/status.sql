multiIf(
        has({reverted:Array(String)}, backfill_id), 'reverted',
        reason != '', 'rejected',
        has({held:Array(String)}, backfill_id), 'pending',
        'processed'
    )
