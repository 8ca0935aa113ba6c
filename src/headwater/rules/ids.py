"""Tokens: ids people can read out, and API keys that tell a typing mistake from a wrong key."""

import secrets
from hashlib import blake2b
from zlib import crc32

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_PAIRS = tuple(a + b for a in ALPHABET for b in ALPHABET)

KEY_PREFIX = "sk_"
_KEY_BODY = len(KEY_PREFIX) + 32
_KEY_LENGTH = _KEY_BODY + 6


def new_id(kind: str) -> str:
    """`kind_` + 8 random base62 characters, as in `sig_bFyqj0qg`."""
    return f"{kind}_{_random(8)}"


def new_message_id() -> str:
    """`msg_` + 22 random base62 characters (130 bits): there may be many millions."""
    return f"msg_{_random(22)}"


def new_key() -> str:
    """A secret API key: `sk_`, 32 random base62 characters (190 bits), 6 of checksum."""
    body = KEY_PREFIX + _random(32)
    return body + _checksum(body)


def key_is_wellformed(text: str) -> bool:
    """Whether `new_key` can have made this text. Keeps scanners and typing mistakes away from the catalog."""
    return (
        len(text) == _KEY_LENGTH
        and text.startswith(KEY_PREFIX)
        and text.isascii()
        and text[_KEY_BODY:] == _checksum(text[:_KEY_BODY])
    )


def key_digest(secret: bytes, key: str) -> bytes:
    """What is kept of a key: 32 bytes that tell nothing without the secret (16 to 64 bytes)."""
    return blake2b(key.encode(), key=secret, digest_size=32).digest()


def _random(length: int) -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(length))


def _checksum(body: str) -> str:
    """CRC-32 as 6 base62 characters."""
    rest, low = divmod(crc32(body.encode()), 3844)
    high, middle = divmod(rest, 3844)
    return _PAIRS[high] + _PAIRS[middle] + _PAIRS[low]
