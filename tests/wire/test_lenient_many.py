"""A lenient answer names every event that was not taken, however many faults the others have."""

import json

from wire.client import Client
from wire.languages import BIK


def test_no_refused_event_hides_behind_the_faults_of_others(client: Client) -> None:
    twice = {**BIK.event(), "email": "none", "phoneNumber": "none"}
    once = {**BIK.event(), "createdAt": "never"}
    sent = [twice] * 59 + [once] * 10 + [BIK.event()] * 31
    headers = [("Authorization", f"Bearer {client.key}"), ("Prefer", "handling=lenient")]
    answer = client.send("POST", BIK.batch, headers, json.dumps({"events": sent}).encode())
    assert answer.status == 200, answer
    told = [error["index"] for error in answer.json["errors"]]
    assert set(told) == set(range(69)) and told == sorted(told) and len(told) == 100


def test_an_event_with_a_hundred_faults_leaves_room_for_the_next(client: Client) -> None:
    schema = {"type": "object", "required": [f"p{number}" for number in range(150)]}
    signal = {"name": "demanding", "slug": "demanding", "type": "event", "rate_limit": None, "enforcement": "reject"}
    assert client.call("POST", "/v1/signals", signal).status == 201
    assert client.call("POST", "/v1/signals/demanding/versions", {"schema": schema}).status == 201
    bad = {**BIK.event(), "eventName": "demanding"}
    headers = [("Authorization", f"Bearer {client.key}"), ("Prefer", "handling=lenient")]
    body = json.dumps({"events": [bad, bad, BIK.event(), bad]}).encode()
    answer = client.send("POST", BIK.batch, headers, body)
    assert answer.status == 200, answer
    assert {error["index"] for error in answer.json["errors"]} == {0, 1, 3}
    assert len(answer.json["errors"]) == 100
