"""What to do about an event that was not taken, or was rejected: one sentence for each code, for people.

And the place of the fault, which a rejected event's `detail` begins with.
"""

import re

from headwater.outcomes import Reason

_CODES = {
    "required": "Send the field, and not null.",
    "type": "Send a value of the type that the message names; numbers and booleans without quotes.",
    "value": "Send a value within the bounds that the message names.",
    "date": "Send ISO 8601, as in 2026-11-22T04:05:06Z; without a zone it is taken as UTC.",
    "identity": "Send a whole e-mail address, or a number with its country code, as in +19494572000. The workspace's "
    "default_region lets numbers go without one.",
    "contact": "Send an e-mail address or a phone number: an event is about somebody.",
    "unknown_field": "Correct the field's name, or leave the field out.",
    "too_large": "Send less data in one event: 256 KiB unless headwater was started with another limit.",
    "nested": "Send data with fewer arrays and objects inside one another.",
    "unknown_signal": "Create the signal first (POST /v1/signals), activate it again, or correct its name.",
    "unknown_version": 'Publish that version first (POST /v1/signals/{slug}/versions), or leave it out: "latest" is '
    "meant then.",
    "schema": "Correct the data, or publish a schema version that allows it (POST /v1/signals/{slug}/versions).",
    "rate_limited": "Send it again after the time in Retry-After, or raise the signal's rate_limit.",
    "backfill": "Send the id of a backfill that is open (POST /v1/backfills makes one).",
    Reason.OUTSIDE_REALTIME_WINDOW: "History belongs in the migration lane: replay it there, and send such events with "
    "isMigration true from now on.",
    Reason.TIMESTAMP_IN_FUTURE: "Set the sender's clock, or its zone. Replay it once its time has come, or into the "
    "migration lane, where every date is good.",
    Reason.SCHEMA_VIOLATION: "Publish a schema version that allows this data (POST /v1/signals/{slug}/versions), then "
    "replay it; or correct the sender and send it anew.",
    Reason.SIGNAL_DRAFT: "Approve the signal (POST /v1/signals/{slug}/approve): its events are replayed then. Archive "
    "it, and further ones are refused.",
    Reason.METRIC_VALUE_MISSING: "Point the signal's value at the place where the number is (PATCH "
    "/v1/signals/{slug}), then replay it; or correct the sender. A number is sent without quotes.",
    Reason.STATE_VALUE_MISSING: "Point the signal's value at the place where the state is (PATCH /v1/signals/{slug}), "
    "then replay it; or correct the sender.",
}

_FALLBACK = "Read the message: it says what is wrong."

_WRONG = "is required|is not allowed|is nested|must be|must have|must match|must not hold|does not fit"
_PLACE = re.compile(rf"(.+?) (?:{_WRONG})\b", re.DOTALL)
"""A fault as `intake` writes it down: its path, then what is wrong there. Names of a client's own may have blanks."""

_DATED = frozenset((Reason.OUTSIDE_REALTIME_WINDOW, Reason.TIMESTAMP_IN_FUTURE))


def hint_of(code: str) -> str:
    """What to do about a fault's code (`dialects.base.Fault`) or a rejected event's reason (`outcomes.Reason`)."""
    return _CODES.get(code, _FALLBACK)


def place_in(reason: str, detail: str, date_field: str) -> str | None:
    """The path of the first fault of a rejected event, as its sender writes it; None where none can be told.

    `date_field`: what its dialect calls the event's time.
    """
    if reason in _DATED:
        return date_field
    found = _PLACE.match(detail)
    return found[1] if found else None


CODES = frozenset(_CODES)
"""Those that have a hint of their own."""
