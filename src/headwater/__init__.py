"""headwater: customer events over HTTP, durable, answered for one by one."""

from importlib.metadata import version

__version__ = version("headwater")
