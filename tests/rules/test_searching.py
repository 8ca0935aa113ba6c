"""What the beginning of an identity may mean, and finding texts that begin so."""

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.rules import sorted_texts
from headwater.rules.identity import phone_identity
from headwater.rules.searching import prefixes
from headwater.rules.sorted_texts import SortedTexts

TYPES = ("account", "email", "phone")


@pytest.mark.parametrize(
    ("text", "region", "expected"),
    [
        ("ada", None, ["account:ada", "email:ada"]),
        ("Ada@X", None, ["account:Ada@X", "email:ada@x"]),
        ("email:Ada", None, ["account:email:Ada", "email:ada", "email:email:ada"]),
        ("account:", None, ["account:", "account:account:", "email:account:"]),
        ("phone:", None, ["account:phone:", "email:phone:", "phone:"]),
        ("-", None, ["account:-", "email:-"]),
        ("+1 (949) 457", None, ["account:+1 (949) 457", "email:+1 (949) 457", "phone:+1949457"]),
        ("1949", None, ["account:1949", "email:1949", "phone:+1949"]),
        ("001949", None, ["account:001949", "email:001949", "phone:+1949"]),
        ("09876", "IN", ["account:09876", "email:09876", "phone:+919876"]),
        ("9876", "IN", ["account:9876", "email:9876", "phone:+919876", "phone:+9876"]),
        ("phone:+91", None, ["account:phone:+91", "email:phone:+91", "phone:+91"]),
        ("deal:7", None, ["account:deal:7", "email:deal:7"]),
        ("٣٤", "IN", ["account:٣٤", "email:٣٤"]),
    ],
)
def test_what_a_text_may_begin(text: str, region: str | None, expected: list[str]) -> None:
    assert prefixes(text, TYPES, region) == expected


@given(st.from_regex(r"0?9[0-9]{9}", fullmatch=True), st.integers(3, 11))
def test_a_national_number_is_found_by_its_beginning(number: str, most: int) -> None:
    whole = phone_identity(number, "IN")
    assert whole is not None
    assert any(whole.startswith(each) for each in prefixes(number[:most], ("phone",), "IN"))


texts = st.text(st.characters(codec="utf-8"), min_size=1, max_size=6) | st.text("ab:;", min_size=1, max_size=4)


@given(st.lists(st.lists(texts, max_size=12), max_size=5), st.lists(texts, max_size=12), texts)
@pytest.mark.parametrize("most", [1, 3, 512])
def test_texts_that_begin_so(most: int, several: list[list[str]], gone: list[str], prefix: str) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(sorted_texts, "_MOST", most)
        found, known = SortedTexts(), set[str]()
        for some in several:
            before = found, sorted(known)
            found = found.with_all(sorted({*some}))
            assert sorted(before[0].beginning("")) == before[1], "the old ones stay as they were"
            known |= {*some}
        whole, found = found, found.without(gone)
        assert sorted(whole.beginning("")) == sorted(known)
        known -= {*gone}
    assert len(found) == len(known)
    assert list(found.beginning(prefix)) == sorted(each for each in known if each.startswith(prefix))
    assert list(found.beginning("")) == sorted(known)
    assert found.nbytes >= sum(len(each.encode()) for each in known)


@pytest.mark.parametrize("early", [[], ["email:1"], [f"email:{n:06}.5@x.example" for n in range(0, 200_000, 7)]])
def test_what_comes_takes_no_more_memory_than_it_has_to(early: list[str]) -> None:
    known = SortedTexts().with_all(sorted(early))
    tracemalloc.start()
    try:
        found = known.with_all(f"email:{n:06}@x.example" for n in range(200_000))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(found) == 200_000 + len(early)
    assert peak < 2 * found.nbytes < 60 * len(found)


@given(st.sets(st.builds("{}:{}".format, st.text("aA1-;é", min_size=1, max_size=3), st.text("x:", max_size=2))))
def test_every_type_is_known(identities: set[str]) -> None:
    found = SortedTexts().with_all(sorted(identities))
    assert sorted(found.types()) == sorted({each.partition(":")[0] for each in identities})
