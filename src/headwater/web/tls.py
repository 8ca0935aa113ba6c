"""TLS by certificate files: made sure of at the start, read anew when they change."""

import asyncio
import logging
import ssl
from pathlib import Path
from typing import NoReturn

from headwater.errors import StartError

LOOK_SECONDS = 2.0
"""How often the files are looked at."""

logger = logging.getLogger("headwater.tls")


class Certificate:
    """A certificate and its key as files, and the newest pair of them that fitted together.

    `context` is the server's for its whole life: connections whose handshake begins get the newest pair by it.
    Raises StartError naming the file that is missing, unreadable or does not fit.
    """

    def __init__(self, cert: Path, key: Path) -> None:
        self._cert = cert
        self._key = key
        self._seen = self._stamp()
        self._newest = load(cert, key)
        self.context = load(cert, key)
        self.context.sni_callback = self._choose

    def _choose(self, connection: ssl.SSLSocket | ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> None:
        """Called in every handshake, whether or not the client names a server."""
        connection.context = self._newest

    def look(self) -> bool:
        """Takes over files that have changed; True if it did. What does not fit (yet) is logged once and left."""
        stamp = self._stamp()
        if stamp == self._seen:
            return False
        self._seen = stamp
        try:
            self._newest = load(self._cert, self._key)
        except StartError as error:
            logger.warning("the changed certificate is not used: %s", error)
            return False
        logger.info("the changed certificate is used from here on")
        return True

    async def keep_looking(self) -> None:
        """Runs for as long as the server does."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            self.look()

    def _stamp(self) -> list[tuple[int, int, int] | None]:
        """What changes whenever a file is written, replaced, or a link to it moved."""
        return [_stamp(self._cert), _stamp(self._key)]


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_ctime_ns


def load(cert: Path, key: Path) -> ssl.SSLContext:
    """For a server, TLS 1.2 and later. Raises StartError."""
    for path in (cert, key):
        try:
            path.read_bytes()
        except OSError as error:
            raise StartError(f"cannot read {path}: {error.strerror}") from error
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(cert, key, password=_no_passphrase)
    except _Encrypted:
        raise StartError(f"{key} has a passphrase, which nobody could type when headwater restarts") from None
    except (ssl.SSLError, ValueError) as error:
        raise StartError(_why(cert, key, error)) from error
    return context


_OF_ANOTHER = ("KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH", "NO_CERTIFICATE_ASSIGNED")
"""OpenSSL's reasons when a key, sound in itself, belongs to another certificate."""


class _Encrypted(Exception):  # noqa: N818
    """The key wants a passphrase."""


def _no_passphrase() -> NoReturn:
    raise _Encrypted


def _why(cert: Path, key: Path, error: Exception) -> str:
    if getattr(error, "reason", "") in _OF_ANOTHER:
        return f"{key} is not the key of the certificate {cert}"
    return f"{cert} and {key} are not a certificate and its key, as PEM: {error}"
