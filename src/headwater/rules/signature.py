"""Signatures of webhooks, as Standard Webhooks 1.0 has them: HMAC-SHA256 over id, time and body."""

import secrets
from base64 import b64decode, b64encode
from collections.abc import Sequence
from hashlib import sha256
from hmac import digest

_PREFIX = "whsec_"
_BYTES = 32


def new_secret() -> str:
    """`whsec_` and 32 random bytes in base64."""
    return _PREFIX + b64encode(secrets.token_bytes(_BYTES)).decode()


def headers(id: str, at_s: int, body: bytes, keys: Sequence[str]) -> dict[str, str]:
    """What a request carries beside its body. `at_s`: when it is sent, seconds since 1970 UTC; `keys`: the secrets that
    hold now; whoever has one of them can verify it."""
    signatures = " ".join(signature(key, id, at_s, body) for key in keys)
    return {"webhook-id": id, "webhook-timestamp": str(at_s), "webhook-signature": signatures}


def signature(secret: str, id: str, at_s: int, body: bytes) -> str:
    """`v1,` and the HMAC in base64."""
    key = b64decode(secret.removeprefix(_PREFIX))
    return "v1," + b64encode(digest(key, b"%s.%d.%s" % (id.encode(), at_s, body), sha256)).decode()
