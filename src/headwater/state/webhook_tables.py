"""Webhooks in tables: what SQLite and PostgreSQL have in common, which is all but how a statement is run."""

import re
from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from hashlib import blake2b
from pathlib import Path
from typing import Any, Protocol

import msgspec

from headwater import clock
from headwater.rules.retries import LAST_MS
from headwater.rules.webhook import PING
from headwater.state.webhooks import Attempt, Delivery, EventType, Figures, Message, Pause, Place, Status, Turn, Webhook

STATEMENTS: Mapping[str, str] = dict(
    re.findall(
        r"^-- name: (\w+)\n(.*?)(?=\n-- name:|\Z)", Path(__file__).with_name("webhooks.sql").read_text(), re.M | re.S
    )
)
TABLES = ("webhook_webhooks", "webhook_told", "webhook_deliveries", "webhook_attempts", "webhook_names")

PIECE = 1_000
"""Deliveries removed in one transaction."""
_ALL = 1 << 62


class Run(Protocol):
    """Runs a statement of STATEMENTS, and gives its rows."""

    def __call__(self, name: str, **about: Any) -> list[Any]: ...


class Tables(Protocol):
    """Where the tables are. Both raise UnavailableError."""

    def reading(self) -> AbstractContextManager[Run]: ...

    def writing(self) -> AbstractContextManager[Run]:
        """One transaction."""


class _About(msgspec.Struct, frozen=True):
    """What a webhook is set to, as it is kept in JSON."""

    url: str
    events: tuple[EventType, ...]
    cohorts: tuple[str, ...]
    description: str
    secret: str
    old_secret: str | None
    old_until_ms: int


class TableOutbox:
    """`state.webhooks.Outbox` but for `wipe` and `close`. Safe to call from several threads."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._swept = False
        """Whether no delivery is left of a webhook that is not there."""

    # --- webhooks -----------------------------------------------------------------------------------------------

    def webhooks(self, workspace: str | None = None) -> Sequence[Webhook]:
        return [_webhook(*row) for row in self._ask("webhooks", workspace=workspace or "", every=int(not workspace))]

    def webhook(self, workspace: str, id: str) -> Webhook | None:
        return next((_webhook(*row) for row in self._ask("webhook", workspace=workspace, id=id)), None)

    def add(self, webhook: Webhook) -> None:
        about = {"id": webhook.id, "workspace": webhook.workspace, "created_ms": webhook.created_ms}
        with self._tables.writing() as run:
            run("add", **about, about=_about(webhook), place=_json(webhook.place))

    def edit(self, webhook: Webhook, is_elsewhere: bool = False) -> None:
        with self._tables.writing() as run:
            run("edit", id=webhook.id, about=_about(webhook))
            if is_elsewhere:
                run("forgive", id=webhook.id)

    def pause(self, id: str, why: Pause, at_ms: int) -> None:
        with self._tables.writing() as run:
            run("pause", id=id, paused=why, at_ms=at_ms)

    def resume(self, id: str, at_ms: int) -> None:
        with self._tables.writing() as run:
            run("renew", id=id, at_ms=at_ms)
            run("resume", id=id)

    def skip(self, id: str, place: Place) -> int:
        with self._tables.writing() as run:
            given_up = run("give_up", id=id, at_ms=clock.now_ms())
            run("move", id=id, place=_json(place))
            return len(given_up)

    def remove(self, id: str) -> None:
        with self._tables.writing() as run:
            run("remove", id=id)
            run("remove_told", id=id)
        while self._forget("of_webhook", PIECE, id=id) == PIECE:
            pass

    # --- what is delivered --------------------------------------------------------------------------------------

    def put(
        self,
        id: str,
        messages: Sequence[Message],
        place: Place | None = None,
        told: Collection[str] = (),
        before: Place | None = None,
    ) -> bool:
        with self._tables.writing() as run:
            held = run("hold", id=id)  # until the end nobody else moves it
            if not held or (before is not None and not _is_as_read(run, id, held[0][1], before, told)):
                return False
            for message in messages:
                _deliver(run, held[0][0], id, message)
            for key in told:
                run("tell", webhook=id, key=key)
            if place is not None:
                run("move", id=id, place=_json(place))
            return True

    def told(self, id: str) -> set[str]:
        return {key for (key,) in self._ask("told", id=id)}

    def pending(self, id: str) -> int:
        return int(self._ask("pending", id=id)[0][0])

    def due(self, now_ms: int, most: int) -> Sequence[Delivery]:
        with self._tables.reading() as run:
            return [Delivery(*row) for (id_,) in run("every") for row in run("due", id=id_, now_ms=now_ms, most=most)]

    def record(self, delivery: Delivery, attempt: Attempt, turn: Turn, pause: Pause | None = None) -> None:
        ended_ms = attempt.at_ms + attempt.took_ms
        done_ms = None if turn.status == "pending" else ended_ms
        about = {"number": delivery.number, "at_ms": attempt.at_ms}
        with self._tables.writing() as run:
            kept = run("turn", **about, status=turn.status, next_ms=turn.next_ms, done_ms=done_ms)
            answer = attempt.answer if kept else b""
            told = {"took_ms": attempt.took_ms, "status": attempt.status, "error": attempt.error, "answer": answer}
            run("attempt", **about, **told)
            if not attempt.error:
                run("succeeded", id=delivery.webhook, at_ms=ended_ms)
            elif delivery.type != PING:
                run("failed", id=delivery.webhook, at_ms=attempt.at_ms)
            if pause == "failing":  # unless it was resumed meanwhile, or took something
                run("pause_failing", id=delivery.webhook, at_ms=ended_ms, since_ms=ended_ms - LAST_MS)
            elif pause is not None:
                run("pause", id=delivery.webhook, paused=pause, at_ms=ended_ms)

    # --- the log ------------------------------------------------------------------------------------------------

    def deliveries(self, id: str, status: Status | None, before: int | None, limit: int) -> Sequence[Delivery]:
        about = {"id": id, "before": _ALL if before is None else before, "most": limit}
        if status is None:
            return [Delivery(*row) for row in self._ask("deliveries", **about)]
        return [Delivery(*row) for row in self._ask("deliveries_of", **about, status=status)]

    def delivery(self, id: str, message: str) -> Delivery | None:
        return next((Delivery(*row) for row in self._ask("delivery", id=id, message=message)), None)

    def attempts(self, number: int) -> Sequence[Attempt]:
        return [Attempt(*row) for row in self._ask("attempts", number=number)]

    def replay(self, id: str, message: str, at_ms: int) -> bool:
        with self._tables.writing() as run:
            return bool(run("replay", id=id, message=message, at_ms=at_ms))

    def replay_failed(self, id: str, since_ms: int, at_ms: int) -> int:
        with self._tables.writing() as run:
            return len(run("replay_failed", id=id, since_ms=since_ms, at_ms=at_ms))

    def caused(self, workspace: str, event_id: str) -> Sequence[tuple[Webhook, Delivery]]:
        found = [Delivery(*row) for row in self._ask("caused", workspace=workspace, event_id=event_id)]
        known = {each.id: each for each in self.webhooks(workspace)} if found else {}
        return [(known[each.webhook], each) for each in found if each.webhook in known]

    # --- what goes ----------------------------------------------------------------------------------------------

    def erase(self, workspace: str, identities: Collection[str]) -> None:
        with self._tables.writing() as run:
            rows = [row for each in identities for row in run("named", digest=_digest(workspace, each))]
            for (number,) in set(rows):
                run("erase_delivery", number=number, at_ms=clock.now_ms(), empty=b"")
                run("erase_attempts", number=number, empty=b"")
                run("forget_names", number=number)

    def prune(self, before_ms: int, keep: int, most: int) -> int:
        gone = self._forget("old", most, before_ms=before_ms)
        if not self._swept:  # only a removal that was cut short leaves any
            orphans = self._forget("orphans", most)
            gone, self._swept = gone + orphans, orphans < most
        for (id_,) in self._ask("every"):
            gone += self._forget("beyond", most, id=id_, keep=keep)
        return gone

    def figures(self) -> Figures:
        with self._tables.reading() as run:
            ((webhooks, paused),) = run("count_webhooks")
            return Figures(webhooks - paused, paused, run("count_pending")[0][0], run("oldest")[0][0])

    def _forget(self, which: str, most: int, **about: Any) -> int:
        with self._tables.writing() as run:
            numbers = [number for (number,) in run(which, **about, most=most)]
            for number in numbers:
                for name in ("forget_names", "forget_attempts", "forget_delivery"):
                    run(name, number=number)
            return len(numbers)

    def _ask(self, name: str, **about: Any) -> list[Any]:
        with self._tables.reading() as run:
            return run(name, **about)


def _is_as_read(run: Run, id: str, place: str, before: Place, told: Collection[str]) -> bool:
    """Whether nobody else has told a webhook what was read for it."""
    if msgspec.json.decode(place, type=Place) != before:
        return False
    return not told or {key for (key,) in run("told", id=id)}.isdisjoint(told)


def _deliver(run: Run, workspace: str, webhook: str, message: Message) -> None:
    ((number,),) = run(
        "deliver",
        webhook=webhook,
        id=message.id,
        type=message.type,
        body=message.body,
        created_ms=message.created_ms,
        event_id=message.event_id,
    )
    for name in message.names:
        run("name", digest=_digest(workspace, name), delivery=number)


def _digest(workspace: str, identity: str) -> bytes:
    return blake2b(f"{workspace}\0{identity}".encode(), digest_size=16).digest()


def _webhook(id_: str, workspace: str, about: str, place: str, created_ms: int, *rest: Any) -> Webhook:
    known = msgspec.json.decode(about, type=_About)
    paused, paused_ms, failing_ms, delivered_ms = rest
    return Webhook(
        id=id_,
        workspace=workspace,
        **msgspec.structs.asdict(known),
        created_ms=created_ms,
        place=msgspec.json.decode(place, type=Place),
        paused=paused,
        paused_ms=paused_ms,
        failing_ms=failing_ms,
        delivered_ms=delivered_ms,
    )


def _about(webhook: Webhook) -> str:
    return _json(_About(*(getattr(webhook, name) for name in _About.__struct_fields__)))


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
