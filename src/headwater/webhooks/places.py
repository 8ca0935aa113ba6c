"""Which deliveries are sent next, so that no webhook takes what another one needs."""

from collections import Counter, defaultdict, deque
from collections.abc import Mapping, Sequence

from headwater.state.webhooks import Delivery, Webhook

EACH = 4
"""Requests at once to one webhook; to one that fails, one."""
MORE, FAILING = 2, 4
"""Of all places, only half are for who has one already, and only a quarter for those that fail: a crowd of slow ones
leaves room for the others."""


class Places:
    """Requests that are under way at once. Who has none comes first, then who has one, and so on; among those who have
    as many, whoever was served longest ago."""

    def __init__(self) -> None:
        self._busy: Counter[str] = Counter()
        self._served: dict[str, int] = {}
        """By webhook, the number of its last turn."""
        self._turns = 0

    def take(self, due: Sequence[Delivery], known: Mapping[str, Webhook], most: int) -> list[Delivery]:
        """Those that are begun now, each of which is to `leave`. `due`: not under way yet, those of a webhook in their
        order; `known`: all webhooks; `most`: places in all."""
        waiting: dict[str, deque[Delivery]] = defaultdict(deque)
        for each in due:
            waiting[each.webhook].append(each)
        self._served = {id: turn for id, turn in self._served.items() if id in known}
        taken: list[Delivery] = []
        for busy in range(EACH):
            for id in self._in_turn([each for each in waiting if each in known and self._busy[each] == busy]):
                if waiting[id] and self._has_room(known[id], known, most):
                    self._serve(id)
                    taken.append(waiting[id].popleft())
        return taken

    def leave(self, id: str) -> None:
        """A request of this webhook is over."""
        self._busy[id] -= 1
        if not self._busy[id]:
            del self._busy[id]

    def _in_turn(self, ids: Sequence[str]) -> Sequence[str]:
        return sorted(ids, key=lambda id: self._served.get(id, 0))

    def _has_room(self, webhook: Webhook, known: Mapping[str, Webhook], most: int) -> bool:
        in_all, busy = self._busy.total(), self._busy[webhook.id]
        if in_all >= most or (busy and in_all >= most // MORE):
            return False
        if webhook.failing_ms is None:
            return True
        failing = sum(count for id, count in self._busy.items() if _fails(known.get(id)))
        return not busy and failing < max(1, most // FAILING)

    def _serve(self, id: str) -> None:
        self._turns += 1
        self._served[id] = self._turns
        self._busy[id] += 1


def _fails(webhook: Webhook | None) -> bool:
    return webhook is not None and webhook.failing_ms is not None
