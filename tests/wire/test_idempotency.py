"""Requests that come again, events that come again, and backfills, over the wire."""

import gzip
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from harness import Server, until
from headwater.claims.sqlite import erase
from wire.client import Answer, Client
from wire.languages import BIGMIND, BIK, LANGUAGES, SIGNAL, Language
from wire.workspaces import new_workspace

RACERS = 24


@pytest.fixture
def sender(client: Client) -> Client:
    """A workspace with the signal of both languages' events, without limits."""
    for slug, more in ((SIGNAL, {}), ("once", {"dedupe_by": "reference"})):
        signal = {"name": slug, "slug": slug, "type": "event", "rate_limit": None, **more}
        assert client.call("POST", "/v1/signals", signal).status == 201
    return client


def post(client: Client, language: Language, body: bytes, **headers: str) -> Answer:
    """Names of headers with `_` for `-`."""
    named = [(name.replace("_", "-"), value) for name, value in headers.items()]
    about = [("Authorization", f"Bearer {client.key}"), ("Content-Type", "application/json"), *named]
    return client.send("POST", language.batch, about, body)


def stored(client: Client, count: int, query: str = "") -> list[dict[str, Any]]:
    """All events, once there are `count` of them and none is pending."""

    def settled() -> list[dict[str, Any]] | None:
        found = client.call("GET", f"/v1/events?limit=1000{query}").json["data"]
        assert len(found) <= count, f"{len(found)} events, not {count}"
        return found if len(found) == count and all(each["status"] != "pending" for each in found) else None

    return until(settled, 30, f"{count} events are stored")


@pytest.mark.parametrize("language", LANGUAGES, ids=str)
def test_a_key_is_raced_for(sender: Client, language: Language) -> None:
    """One of them is taken; the others are told so, or that it is under way."""
    body = language.batch_of(language.event(), language.event())
    start = threading.Barrier(RACERS)

    def one(_: int) -> Answer:
        mine = Client(f"http://{sender.host}:{sender.port}", sender.key)
        assert mine.call("GET", "/livez").status == 200
        start.wait(30)
        answer = post(mine, language, body, idempotency_key="race")
        mine.close()
        return answer

    with ThreadPoolExecutor(RACERS) as pool:
        answers = list(pool.map(one, range(RACERS)))
    taken = [each for each in answers if each.status == 200]
    firsts = [each for each in taken if "idempotency-replayed" not in each.headers]
    assert len(firsts) == 1
    assert {each.body for each in taken} == {firsts[0].body}
    assert {each.headers["headwater-batch"] for each in taken} == {firsts[0].headers["headwater-batch"]}
    for each in answers:
        if each.status != 200:
            assert each.status == 409 and int(each.headers["retry-after"]) == 1, each
            assert "Idempotency-Key" in language.refusal(each)
    stored(sender, 2)


@pytest.mark.parametrize("language", LANGUAGES, ids=str)
def test_gzip_or_not_is_the_same_request(sender: Client, language: Language) -> None:
    body = language.batch_of(language.event())
    first = post(sender, language, body, idempotency_key="gzip")
    again = post(sender, language, gzip.compress(body), idempotency_key="gzip", content_encoding="gzip")
    assert (first.status, again.status, again.headers["idempotency-replayed"]) == (200, 200, "true")
    assert again.body == first.body


@pytest.mark.parametrize("odd", [b"1e999", b"1" * 5000], ids=["1e999", "digits"])
@pytest.mark.parametrize("language", LANGUAGES, ids=str)
def test_what_is_passed_over_need_not_be_readable(sender: Client, language: Language, odd: bytes) -> None:
    """A field that the language does not know, taken without a key and so with one, too."""
    plain = language.batch_of(language.event())
    body = b'{"unheard": %s, ' % odd + plain.removeprefix(b"{")
    assert post(sender, language, body).status == 200
    first, again = (post(sender, language, body, idempotency_key="odd") for _ in range(2))
    assert (first.status, again.status, again.headers.get("idempotency-replayed")) == (200, 200, "true")
    assert again.body == first.body
    other = post(sender, language, plain, idempotency_key="odd")
    assert other.status == 422 and "the body" in language.refusal(other)
    assert post(sender, language, plain, idempotency_key="plain").status == 200
    for different in (body, plain.replace(b"a", b"\xff", 1), plain[:-1]):
        assert post(sender, language, different, idempotency_key="plain").status == 422


def test_a_key_is_the_workspaces_own(sender: Client, server: Server) -> None:
    body = BIK.batch_of(BIK.event())
    other = new_workspace(server)
    answers = [post(each, BIK, body, idempotency_key="mine") for each in (sender, other)]
    assert all("idempotency-replayed" not in each.headers for each in answers), answers
    other.close()


@pytest.mark.parametrize("language", LANGUAGES, ids=str)
def test_a_lenient_answer_is_kept_as_it_was(sender: Client, language: Language) -> None:
    field = "eventName" if language is BIK else "signal"
    body = language.batch_of(language.event(), language.event(**{field: "nope"}))
    about = {"idempotency_key": "lenient", "prefer": "handling=lenient"}
    first = post(sender, language, body, **about)
    assert first.status == 200 and first.json["errors"][0]["index"] == 1
    assert sender.call("POST", "/v1/signals", {"name": "nope", "type": "event"}).status == 201
    again = post(sender, language, body, **about)
    assert again.body == first.body and again.headers["idempotency-replayed"] == "true"
    stored(sender, 1)


@pytest.mark.parametrize("language", LANGUAGES, ids=str)
def test_two_keys_in_one_request_are_none(sender: Client, language: Language) -> None:
    about = [("Authorization", f"Bearer {sender.key}"), ("Idempotency-Key", "a"), ("Idempotency-Key", "b")]
    answer = sender.send("POST", language.batch, about, language.batch_of(language.event()))
    assert answer.status == 400 and "Idempotency-Key" in language.refusal(answer)


def test_references_are_raced_for(sender: Client) -> None:
    """Batches with overlapping references, in any order: each is taken once, and everybody is told the same id."""
    references = [f"ref-{n}" for n in range(20)]
    start = threading.Barrier(RACERS)

    def one(number: int) -> list[tuple[str, str, bool]]:
        mine = Client(f"http://{sender.host}:{sender.port}", sender.key)
        picked = references[number % 7 :: 1 + number % 3]
        events = [BIGMIND.event(signal="once", reference=each) for each in (reversed(picked) if number % 2 else picked)]
        start.wait(30)
        answer = post(mine, BIGMIND, BIGMIND.batch_of(*events))
        mine.close()
        assert answer.status == 200, answer
        return [(each["reference"], each["id"], each.get("duplicate", False)) for each in answer.json["data"]]

    with ThreadPoolExecutor(RACERS) as pool:
        told = [each for answer in pool.map(one, range(RACERS)) for each in answer]
    ids = {reference: {id_ for other, id_, _ in told if other == reference} for reference in references}
    assert all(len(found) == 1 for found in ids.values()), ids
    assert sum(not duplicate for _, _, duplicate in told) == len(references)
    found = stored(sender, len(references))
    assert {each["reference"]: {each["id"]} for each in found} == ids


def test_a_duplicate_costs_nothing(sender: Client) -> None:
    limit = {"name": "few", "slug": "few", "type": "event", "rate_limit": 2, "dedupe_by": "reference"}
    assert sender.call("POST", "/v1/signals", limit).status == 201
    events = [BIGMIND.event(signal="few", reference=each) for each in ("a", "b", "a", "c", "b", "c")]
    answer = post(sender, BIGMIND, BIGMIND.batch_of(*events))
    assert [each["reference"] for each in answer.json["data"]] == ["a", "b", "a", "b"]
    assert [each["reference"] for each in answer.json["rate_limited"]] == ["c", "c"], "its first is over the limit"
    again = post(sender, BIGMIND, BIGMIND.batch_of(*events[:3]))
    assert again.status == 200 and all(each["duplicate"] for each in again.json["data"])
    assert [each["id"] for each in again.json["data"]] == [each["id"] for each in answer.json["data"][:3]]
    stored(sender, 2)


def test_an_erasure_finds_whoever_was_told_of_a_duplicate(sender: Client, server: Server) -> None:
    """The first event of a reference is erased: so is its id in what others were answered under their keys."""
    first = post(sender, BIGMIND, BIGMIND.batch_of(BIGMIND.event(signal="once", reference="ada@person.example")))
    again = [BIGMIND.event(signal="once", reference=each) for each in ("ada@person.example", "mine", "mine")]
    bodies = [BIGMIND.batch_of(*again), BIGMIND.batch_of(again[0]), BIGMIND.batch_of(again[1])]
    told = [post(sender, BIGMIND, body, idempotency_key=f"k{n}") for n, body in enumerate(bodies)]
    (event,) = first.json["data"]
    assert [answer.json["data"][0]["id"] == event["id"] for answer in told] == [True, True, False]
    path, erased = server.data_dir / "claims.db", list[int]()

    def all_found() -> bool:
        """Two answers, what tells of them, and the reference: once they were taken over."""
        erased.append(erase(path, [UUID(event["id"]).bytes]))
        return sum(erased) == 5

    until(all_found, 30, "the claims are found")
    after = [post(sender, BIGMIND, body, idempotency_key=f"k{n}") for n, body in enumerate(bodies)]
    assert [answer.status for answer in after] == [410, 410, 200]
    assert after[2].body == told[2].body
    assert "duplicate" not in post(sender, BIGMIND, bodies[1]).json["data"][0], "the reference is free again"


def test_an_empty_reference_is_none(sender: Client) -> None:
    events = [BIGMIND.event(signal="once", reference=each) for each in ("", "", "r", "r")]
    told = [post(sender, BIGMIND, BIGMIND.batch_of(*events)).json["data"] for _ in range(2)]
    assert [[each.get("duplicate", False) for each in data] for data in told] == [
        [False, False, False, True],
        [False, False, True, True],
    ]
    stored(sender, 5)


def test_a_signal_may_begin_and_end_to_dedupe(sender: Client) -> None:
    body = BIGMIND.batch_of(BIGMIND.event(reference="r"))
    assert "duplicate" not in post(sender, BIGMIND, body).json["data"][0]
    assert sender.call("PATCH", f"/v1/signals/{SIGNAL}", {"dedupe_by": "reference"}).status == 200
    assert "duplicate" not in post(sender, BIGMIND, body).json["data"][0], "what came before was not noted"
    assert post(sender, BIGMIND, body).json["data"][0]["duplicate"]
    assert sender.call("PATCH", f"/v1/signals/{SIGNAL}", {"dedupe_by": None}).status == 200
    assert "duplicate" not in post(sender, BIGMIND, body).json["data"][0]
    stored(sender, 3)


def test_a_duplicate_under_a_key_is_kept_though_nothing_was_stored(sender: Client) -> None:
    body = BIGMIND.batch_of(BIGMIND.event(signal="once", reference="r"))
    assert post(sender, BIGMIND, body).status == 200
    first = post(sender, BIGMIND, body, idempotency_key="again")
    second = post(sender, BIGMIND, body, idempotency_key="again")
    assert first.json["data"][0]["duplicate"] and second.body == first.body
    assert second.headers["idempotency-replayed"] == "true" and "headwater-batch" not in second.headers
    other = post(sender, BIGMIND, BIGMIND.batch_of(BIGMIND.event(signal="once")), idempotency_key="again")
    assert other.status == 422
    stored(sender, 1)


def backfill(client: Client, name: str) -> str:
    answer = client.call("POST", "/v1/backfills", {"name": name})
    assert answer.status == 201, answer
    return str(answer.json["id"])


@pytest.mark.parametrize("language", LANGUAGES, ids=str)
def test_a_request_joins_a_backfill_whatever_its_dates(sender: Client, language: Language) -> None:
    id_ = backfill(sender, "history")
    date = "createdAt" if language is BIK else "timestamp"
    events = [language.event(), *[language.event(**{date: each}) for each in ("2019-01-01", "2099-01-01")]]
    assert post(sender, language, language.batch_of(*events), headwater_backfill=id_).status == 200
    found = stored(sender, 3)
    assert {(each["lane"], each["status"], each["backfill_id"]) for each in found} == {("migration", "processed", id_)}


@pytest.mark.parametrize("language", LANGUAGES, ids=str)
def test_a_backfill_that_is_closed_takes_nothing_but_knows_its_keys(sender: Client, language: Language) -> None:
    id_, body = backfill(sender, "history"), language.batch_of(language.event())
    about = {"headwater_backfill": id_, "idempotency_key": "chunk-1"}
    first = post(sender, language, body, **about)
    assert sender.call("POST", f"/v1/backfills/{id_}/close").status == 200
    again = post(sender, language, body, **about)
    assert (again.status, again.body, again.headers["idempotency-replayed"]) == (200, first.body, "true")
    refused = post(sender, language, body, headwater_backfill=id_, idempotency_key="chunk-2")
    assert refused.status == 409 and "retry-after" not in refused.headers
    assert id_ in language.refusal(refused) and "closed" in language.refusal(refused)
    unknown = post(sender, language, body, headwater_backfill="bf_nowhere1", idempotency_key="chunk-2")
    assert unknown.status == 404 and "bf_nowhere1" in language.refusal(unknown)
    other = post(sender, language, body, idempotency_key="chunk-1")
    assert other.status == 422 and "Headwater-Backfill" in language.refusal(other)
    stored(sender, 1)


def test_another_workspaces_backfill_is_none(sender: Client, server: Server) -> None:
    other = new_workspace(server)
    answer = post(sender, BIK, BIK.batch_of(BIK.event()), headwater_backfill=backfill(other, "theirs"))
    assert answer.status == 404
    other.close()


def test_bik_events_that_migrate_join_the_standing_backfill_of_the_day(sender: Client) -> None:
    events = [BIK.event(isMigration=True, createdAt="2020-05-05"), BIK.event(), BIK.event(isMigration=True)]
    before = datetime.now(UTC).date()
    assert post(sender, BIK, BIK.batch_of(*events)).status == 200
    old = BIGMIND.batch_of(BIGMIND.event(timestamp="2020-05-05"))
    assert post(sender, BIGMIND, old).status == 200, "it migrates by itself, and joins none"
    found = stored(sender, 4)
    joined = {each["backfill_id"] for each in found if each["dialect"] == "bik" and each["lane"] == "migration"}
    (id_,) = joined
    assert sum(each["backfill_id"] == id_ for each in found) == 2
    assert sum(each["lane"] == "migration" for each in found) == 3
    (standing,) = sender.call("GET", "/v1/backfills").json["data"]
    assert standing["id"] == id_ and standing["name"] in {
        f"migration {day}" for day in (before, datetime.now(UTC).date())
    }


def test_references_of_a_reverted_backfill_are_free_again(sender: Client) -> None:
    """A bad load is taken back, mended and loaded again: that must not be mistaken for duplicates."""
    body = BIGMIND.batch_of(BIGMIND.event(signal="once", reference="r"))
    bad = backfill(sender, "bad")
    first = post(sender, BIGMIND, body, headwater_backfill=bad).json["data"][0]
    assert post(sender, BIGMIND, body).json["data"][0]["duplicate"]
    assert sender.call("POST", f"/v1/backfills/{bad}/revert").status == 202
    good = backfill(sender, "good")
    again = post(sender, BIGMIND, body, headwater_backfill=good).json["data"][0]
    assert "duplicate" not in again and again["id"] != first["id"]
    third = post(sender, BIGMIND, body).json["data"][0]
    assert third["duplicate"] and third["id"] == again["id"]
