"""What a gateway is made of that differs with where headwater runs."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import NamedTuple

from headwater.bounds import Bounds
from headwater.catalog.base import Catalog
from headwater.claims.base import Claims
from headwater.log.base import Appender
from headwater.quotas.base import Quotas
from headwater.web.changing import Change
from headwater.web.lines import Line
from headwater.web.onetime import Links


class Parts(NamedTuple):
    secret: bytes
    catalog: Catalog
    log: Appender
    bounds: Bounds
    line: Line
    change: Change
    """Where what changes the catalog is run."""
    links: Links
    """To sign in with."""
    running: Callable[[], AbstractAsyncContextManager[tuple[Quotas, Claims]]]
    """What belongs to the event loop, for as long as it runs."""
