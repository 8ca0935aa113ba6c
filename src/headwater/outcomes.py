"""What can become of an acknowledged event. Both lists are closed: every event has exactly one outcome."""

from enum import StrEnum


class Status(StrEnum):
    """`pending` from the 200 on, then one of the others; an erased id has none and answers 404."""

    PENDING = "pending"
    PROCESSED = "processed"
    REJECTED = "rejected"
    REVERTED = "reverted"


class Reason(StrEnum):
    """Why an acknowledged event was rejected. Kept with the event, which can be replayed."""

    OUTSIDE_REALTIME_WINDOW = "outside_realtime_window"
    """Real-time lane, and its date is more than 2 h old or more than 30 min ahead (settings)."""

    TIMESTAMP_IN_FUTURE = "timestamp_in_future"
    """Its date is more than 30 min ahead (setting)."""

    SCHEMA_VIOLATION = "schema_violation"
    """Its data does not fit the schema version it names, and the signal quarantines."""

    SIGNAL_DRAFT = "signal_draft"
    """Nobody has approved its signal, which was made because an event named it."""

    METRIC_VALUE_MISSING = "metric_value_missing"
    """Its signal is a metric, and where the number should be in its data is none, or one too big."""

    STATE_VALUE_MISSING = "state_value_missing"
    """Its signal is a state, and where the value should be in its data is none, or null."""
