"""Sends events to headwater: in the background, in batches, again until they are taken, each one once.

    from headwater_client import Client, signal

    client = Client("https://events.example.com", "hw_…")
    client.track(signal("visits", ("account", "001"), {"page": "/docs"}))

The files: `events` (what is sent), `settings`, `outbox` (what waits, without I/O), `spool` (the same on disk),
`answers` (what the server said), `delivery` (all that), `client` and `aio` (threads and tasks), `testing`, `errors`.
"""

from headwater_client.aio import AsyncClient
from headwater_client.client import Client
from headwater_client.delivery import Dropped, Figures, Refused
from headwater_client.errors import ClientError, ClosedError, EventError, FullError, SettingsError, SpoolError
from headwater_client.events import ON_RECEIPT, Event, bik, signal
from headwater_client.settings import Settings
from headwater_client.version import __version__

__all__ = [
    "ON_RECEIPT",
    "AsyncClient",
    "Client",
    "ClientError",
    "ClosedError",
    "Dropped",
    "Event",
    "EventError",
    "Figures",
    "FullError",
    "Refused",
    "Settings",
    "SettingsError",
    "SpoolError",
    "__version__",
    "bik",
    "signal",
]
