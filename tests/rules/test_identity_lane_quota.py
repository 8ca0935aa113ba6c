"""Identities in one form, lanes by the tables of the documents, quotas that never give more than the limit."""

import asyncio
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.clock import MINUTE_MS, parse_iso, to_iso
from headwater.config import Windows
from headwater.events import Lane
from headwater.outcomes import Reason
from headwater.quotas.memory import MemoryQuotas
from headwater.rules.identity import contact_identities, email_identity, identity, split_identity, usual_contacts
from headwater.rules.lane import place
from headwater.rules.quota import Grant, Want

NOW = 1_800_000_000_000


@pytest.mark.parametrize(
    ("type_", "id_", "region", "key"),
    [
        ("email", " Test@BIK.ai ", None, "email:test@bik.ai"),
        ("email", "a@shop.test", None, "email:a@shop.test"),
        ("email", "nobody", None, None),
        ("email", "a b@c.d", None, None),
        ("phone", "+19494572000", None, "phone:+19494572000"),
        ("phone", "+1 (949) 457-2000", None, "phone:+19494572000"),
        ("phone", "098765 43210", "IN", "phone:+919876543210"),
        ("phone", "09876543210", None, None),
        ("phone", "call me", "IN", None),
        ("account", "Test@BIK.ai", None, "account:Test@BIK.ai"),
    ],
)
def test_identity(type_: str, id_: str, region: str | None, key: str | None) -> None:
    assert identity(type_, id_, region) == key


def test_split_at_the_first_colon() -> None:
    assert split_identity("custom:a:b") == ("custom", "a:b")
    assert split_identity("nothing") == ("", "nothing")


_TEXTS = st.none() | st.text("aA@.+019 \nü\x7f", max_size=12)
_ADDRESSES = st.from_regex(r"[!-?A-~]{1,66}@[!-?A-~]{1,3}", fullmatch=True) | _TEXTS
_NUMBERS = st.from_regex(r"\+[0-9]{7,17}", fullmatch=True) | _TEXTS


@given(st.lists(st.tuples(_ADDRESSES, _NUMBERS), max_size=4))
def test_many_contacts_at_once_are_read_as_each_alone(people: list[tuple[str | None, str | None]]) -> None:
    found = usual_contacts([email for email, _ in people], [phone for _, phone in people])
    assert found is None or list(found) == [contact_identities(*each) for each in people]


def test_usual_contacts_are_read_at_once() -> None:
    emails, phones = ["A@shop.test", "b@shop.test"], ["+19494572000", "+919876543210"]
    both = [("email:a@shop.test", "phone:+19494572000"), ("email:b@shop.test", "phone:+919876543210")]
    assert usual_contacts(emails, phones) == both
    assert usual_contacts(emails, [None, ""]) == [(first,) for first, _ in both]
    assert usual_contacts([None, None], phones) == [(second,) for _, second in both]
    assert usual_contacts(["a@b.test\nc@d.test", "e@f.test"], phones) is None
    assert usual_contacts([emails[0], None], phones) is None


HOUR = 60 * MINUTE_MS
REALTIME, MIGRATION = Lane.REALTIME, Lane.MIGRATION


@pytest.mark.parametrize(
    ("offset", "migration", "bik", "bigmind"),
    [
        (0, False, (REALTIME, None), (REALTIME, None)),
        (-2 * HOUR, False, (REALTIME, None), (REALTIME, None)),
        (-2 * HOUR - 1, False, (REALTIME, Reason.OUTSIDE_REALTIME_WINDOW), (MIGRATION, None)),
        (HOUR // 2, False, (REALTIME, None), (REALTIME, None)),
        (HOUR // 2 + 1, False, (REALTIME, Reason.OUTSIDE_REALTIME_WINDOW), (REALTIME, Reason.TIMESTAMP_IN_FUTURE)),
        (-9999 * HOUR, True, (MIGRATION, None), (MIGRATION, None)),
        (0, True, (MIGRATION, None), (MIGRATION, None)),
    ],
)
def test_lanes(offset: int, migration: bool, bik: object, bigmind: object) -> None:
    assert place(Windows(), NOW + offset, NOW, migration, old_migrates=False) == bik
    assert place(Windows(), NOW + offset, NOW, migration, old_migrates=True) == bigmind


@given(
    requests=st.lists(
        st.tuples(st.integers(0, 2), st.sampled_from("ab"), st.integers(1, 7), st.booleans(), st.booleans()),
        max_size=40,
    )
)
def test_never_more_than_the_limit(requests: list[tuple[int, str, int, bool, bool]]) -> None:
    """Windows, signals, counts, whole or in part, given back or kept: against a plain count of what was kept."""

    async def run() -> None:
        quotas, kept, newest = MemoryQuotas(), dict[tuple[int, str], int](), 0
        for window, signal, count, whole, returned in requests:
            newest = max(newest, window)
            given = (await quotas.grant({signal: Want(10, count)}, window, whole))[signal]
            used = kept.get((newest, signal), 0)
            assert given.count == min(count, 10 - used)
            taken = 0 if whole and given.count < count else given.count
            if taken and returned and window == newest:
                await quotas.give_back({signal: given}, window)
                taken = 0
            kept[newest, signal] = used + taken
            assert await quotas.used("ab", newest) == {each: kept.get((newest, each), 0) for each in "ab"}
            assert await quotas.used("ab", newest + 1) == {"a": 0, "b": 0}
        assert all(count <= 10 for count in kept.values())

    asyncio.run(run())


@given(st.datetimes().map(lambda moment: moment.isoformat() + "Z"))
def test_dates_come_back(text: str) -> None:
    ms = parse_iso(text)
    assert ms is not None
    assert parse_iso(to_iso(ms)) == ms


@pytest.mark.parametrize(
    "text", ["", "now", "2026-02-30", "2026-13-01", "2026-11-22T25:00:00Z", "1700000000", "٢٠٢٦-11-22"]
)
def test_no_dates(text: str) -> None:
    assert parse_iso(text) is None


def test_a_clock_set_back() -> None:
    async def run() -> None:
        quotas = MemoryQuotas()
        window = quotas.window(100 * MINUTE_MS)
        assert (await quotas.grant({"a": Want(10, 10)}, window, False))["a"].count == 10
        window = quotas.window(99 * MINUTE_MS)
        assert window == 100, "a little: the same window goes on"
        given = await quotas.grant({"a": Want(10, 1)}, window, False)
        assert given["a"].count == 0
        await quotas.give_back({"a": Grant(3, 0)}, window)
        assert (await quotas.grant({"a": Want(10, 5)}, window, False))["a"].count == 3
        window = quotas.window(40 * MINUTE_MS)
        assert window == 40, "by an hour: it begins anew"
        assert (await quotas.grant({"a": Want(10, 5)}, window, False))["a"].count == 5

    asyncio.run(run())


@given(st.text(alphabet=st.sampled_from("aZ9@@.+ \t\n\x7f\x00é "), max_size=8))
def test_the_quick_look_at_an_address_says_what_the_pattern_does(text: str) -> None:
    address = text.strip().lower()
    expected = "email:" + address if re.fullmatch(r"[^@\s\x00-\x1f\x7f]+@[^@\s\x00-\x1f\x7f]+", address) else None
    assert email_identity(text) == expected
