"""What the client calls itself."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("headwater-client")
except PackageNotFoundError:  # not installed: run from its source
    __version__ = "0"

USER_AGENT = f"headwater-client/{__version__} (Python)"
