"""Every exception of the client, in one tree. None of them is about the network: that is retried, not raised.

ClientError
├── SettingsError  a setting that cannot be
├── EventError     an event that cannot be written as JSON, or lacks what every event has
├── ClosedError    `track` after `close`
├── FullError      no room, and `when_full="raise"`
└── SpoolError     the spool's folder cannot be written, and `when_full` is not "drop"
"""


class ClientError(Exception):
    """The root: everything the client raises on purpose."""


class SettingsError(ClientError, ValueError):
    """A setting is missing, malformed or contradicts another."""


class EventError(ClientError, ValueError):
    """An event that cannot be sent as it is. The message names the field, never what is in it."""


class ClosedError(ClientError):
    """The client was closed."""


class FullError(ClientError):
    """As many events wait as may: `Settings.max_events`, `Settings.max_bytes`."""


class SpoolError(ClientError):
    """The event could not be written to the spool, so it was not accepted."""
