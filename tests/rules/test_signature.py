"""Signatures, held against a library that is not ours."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from headwater.rules.signature import headers, new_secret


@given(st.text(min_size=0, max_size=200))
def test_whoever_has_one_of_the_secrets_can_verify(text: str) -> None:
    one, other, third = new_secret(), new_secret(), new_secret()
    body = text.encode(errors="replace")
    signed = headers("msg_1", int(time.time()), body, (one, other))
    for secret in (one, other):
        Webhook(secret).verify(body, signed, json_parse=False)
    for wrong in (signed | {"webhook-id": "msg_2"}, signed | {"webhook-timestamp": str(int(time.time()) - 1)}):
        with pytest.raises(WebhookVerificationError):
            Webhook(one).verify(body, wrong, json_parse=False)
    with pytest.raises(WebhookVerificationError):
        Webhook(third).verify(body, signed, json_parse=False)
