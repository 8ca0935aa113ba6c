"""Who is served next."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from headwater.state.webhooks import Delivery, Place, Webhook
from headwater.webhooks.places import EACH, FAILING, MORE, Places

WEBHOOK = Webhook("", "ws_abcdefgh", "https://x.example/", ("cohort.left",), (), "", "whsec_x", 1, Place())


def known(count: int, failing: int = 0) -> dict[str, Webhook]:
    """The first of them fail."""
    ids = [f"wh_{at:02}" for at in range(count)]
    return {id: replace(WEBHOOK, id=id, failing_ms=1 if at < failing else None) for at, id in enumerate(ids)}


def due(webhooks: dict[str, Webhook]) -> list[Delivery]:
    """More of each than there are places for it."""
    return [
        Delivery(at, id, f"msg_{id}_{at}", "cohort.left", b"", 1, "pending", 0, None, 1, None, None)
        for id in webhooks
        for at in range(2 * EACH)
    ]


def test_where_there_is_one_place_all_have_it_in_turn() -> None:
    places, webhooks = Places(), known(5, failing=2)
    served = []
    for _ in range(10):
        (one,) = places.take(due(webhooks), webhooks, 1)
        assert places.take(due(webhooks), webhooks, 1) == []
        places.leave(one.webhook)
        served.append(one.webhook)
    assert served == [*webhooks, *webhooks]


def test_one_that_is_removed_is_forgotten_once_its_request_is_over() -> None:
    places, webhooks = Places(), known(1)
    assert [each.number for each in places.take(due(webhooks), webhooks, 99)] == [*range(EACH)]
    assert places.take(due(webhooks), {}, 99) == []
    for _ in range(EACH):
        places.leave("wh_00")
    assert len(places.take(due(webhooks), webhooks, 99)) == EACH


@given(
    st.integers(1, 20),
    st.integers(0, 20),
    st.sampled_from([1, 4, 8, 16]),
    st.lists(st.tuples(st.sets(st.integers(0, 19)), st.integers(0, 40)), min_size=1, max_size=12),
)
def test_none_has_two_while_another_has_none(
    count: int, failing: int, most: int, steps: list[tuple[set[int], int]]
) -> None:
    """`steps`: who has something due, and how many requests end then."""
    places, webhooks, busy = Places(), known(count, failing), Counter[str]()
    for who, ending in steps:
        ready = {id: webhooks[id] for at, id in enumerate(webhooks) if at in who}
        begun = Counter(each.webhook for each in places.take(due(ready), webhooks, most))
        more = [id for id in begun if busy[id] + begun[id] > 1]
        busy += begun
        sound = {id for id in ready if webhooks[id].failing_ms is None}
        assert busy.total() <= most and max(busy.values(), default=0) <= EACH
        assert not more or all(busy[id] for id in sound)
        assert not more or busy.total() <= max(1, most // MORE)
        failed = sum(busy[id] for id in webhooks if webhooks[id].failing_ms is not None)
        assert failed <= max(1, most // FAILING) and all(
            busy[id] <= 1 for id in webhooks if id not in sound and id in ready
        )
        assert busy.total() == most or all(busy[id] for id in sound), "no place is empty while somebody needs it"
        for id in list(busy.elements())[:ending]:
            places.leave(id)
            busy[id] -= 1
