"""Catalog, state and claims at work until the power goes, and what they have to say afterwards."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

from msgspec.structs import replace

from headwater.catalog.base import WORKSPACE_SCOPES, NewSignal, SignalChanges
from headwater.catalog.credentials import first_start, load_secret, read_credentials
from headwater.catalog.sqlite import SqliteCatalog
from headwater.catalog.view import SqliteCatalogView
from headwater.claims.sqlite import SqliteClaims
from headwater.claims.taken import TakenClaims
from headwater.config import Settings
from headwater.events import Batch, Claim, Lane
from headwater.pipeline import months_of
from headwater.rules.connect import Severed
from headwater.state.base import Job, Link, Plan
from headwater.state.sqlite import SqliteState
from power.disk import Disk
from power.log_work import FOREVER, SEGMENTS, LogWork

DAY_MS = 86_400_000
ME = "key_tester00"


class CatalogWork:
    """The first start, then signals, keys, backfills, workspaces: each change is there as a whole, or not at all."""

    name = "the catalog, its keys and its audit"
    calls = 240

    def __init__(self) -> None:
        self.told: list[Any] = []
        """What may stand there: as it was before the last change, and as that change left it."""
        self.keys: dict[str, bool] = {}
        """Keys that were told, and whether they are good."""
        self.credentials = ""
        self._made = 0

    def run(self, root: Path, disk: Disk, chance: Random) -> None:
        settings = Settings(data_dir=root)
        catalog = SqliteCatalog(settings.catalog_path, secret := load_secret(settings))
        try:
            known = first_start(catalog, settings)
            before = _contents(settings)
            if not disk.over:
                self.credentials = known.api_key if known else ""
            self.told = [*self.told[-1:], before] if disk.over else [before]
            while not disk.over and disk.calls < 2 * self.calls:
                key = self._change(catalog, chance)
                after = _contents(settings)
                self.told = [before, after] if disk.over else [after]
                before = after
                if key and not disk.over:
                    self.keys |= key
        finally:
            catalog.close()
        assert len(secret) == 32

    def _change(self, catalog: SqliteCatalog, chance: Random) -> dict[str, bool]:
        """One; returns what it says of a key."""
        self._made += 1
        name, workspace = f"made-{self._made}", chance.choice(catalog.workspaces()).id
        slugs = sorted(catalog.signals_of(workspace))
        match chance.randrange(8):
            case 0:
                return {catalog.create_workspace(ME, name, preset=None)[1]: True}
            case 1:
                return {catalog.create_key(ME, workspace, name, WORKSPACE_SCOPES)[1]: True}
            case 2 if good := [key for key, is_good in self.keys.items() if is_good]:
                principal = catalog.principal(key := chance.choice(good))
                assert principal is not None
                catalog.revoke_key(ME, principal.workspace, principal.key_id)
                return {key: False}
            case 3 if slugs:
                catalog.update_signal(ME, workspace, chance.choice(slugs), SignalChanges(name=name))
            case 4 if slugs:
                catalog.add_version(ME, workspace, chance.choice(slugs), {"type": "object", "title": name})
            case 5:
                catalog.create_backfill(ME, workspace, name)
            case 6 if slugs:
                catalog.archive_signal(ME, workspace, chance.choice(slugs))
            case _:
                catalog.create_signal(ME, workspace, NewSignal(name=name, type="event"))
        return {}

    def check(self, root: Path) -> Iterator[str]:
        settings = Settings(data_dir=root)
        catalog = SqliteCatalog(settings.catalog_path, secret := load_secret(settings))
        try:
            if self.credentials and (kept := read_credentials(settings.credentials_path)) is None:
                yield f"the credentials are lost: {kept}"
            contents = _contents(settings)
            if self.credentials and contents not in self.told:
                yield "the catalog is neither as before the last change nor as after it"
            for key, is_good in self.keys.items():
                if (catalog.principal(key) is not None) != is_good and len(self.told) == 1:
                    yield f"a key should be {'good' if is_good else 'refused'}"
            view = SqliteCatalogView(settings.catalog_path, None)
            yield from view.faults(False)
            yield from view.chain(secret).faults
            view.close()
            self.keys = {key: catalog.principal(key) is not None for key in self.keys}
            self.told = [contents] if self.credentials else []
        finally:
            catalog.close()


def _contents(settings: Settings) -> Any:
    view = SqliteCatalogView(settings.catalog_path, None)
    try:
        return view.contents()
    finally:
        view.close()


class StateWork(LogWork):
    """Blocks of the log are planned, stored elsewhere and committed, links and severed pairs and jobs with them, and
    the log is trimmed behind."""

    name = "the state, and the log it follows"
    calls = 320

    def __init__(self) -> None:
        super().__init__()
        self.told: list[Any] = []
        self.store: dict[tuple[Lane, int], list[bytes]] = {}
        """What was inserted: durable at once."""
        self.disk: Disk | None = None

    def run(self, root: Path, disk: Disk, chance: Random) -> None:
        self.disk = disk
        super().run(root, disk, chance)
        self.disk = None

    @contextmanager
    def opened(self, root: Path, segment_bytes: int = 20_000) -> Iterator[tuple[Any, Any]]:
        with super().opened(root, segment_bytes) as parts:
            self.state = SqliteState(root / "state.db")
            self._note()
            try:
                for plan in self.state.plans().values():
                    self._finish(parts[1], plan)
                yield parts
            finally:
                self.state.close()

    def step(self, appender: Any, reader: Any, runner: asyncio.Runner, disk: Disk, chance: Random) -> None:
        match chance.choices(("log", "block", "sever", "job", "trim"), (40, 35, 8, 7, 10))[0]:
            case "log":
                self.append(appender, runner, disk, self.batches(chance))
            case "block":
                self._block(reader, chance.choice([*Lane]), chance)
            case "sever":
                self.state.sever("ws_abcdefgh", [Severed("a:1", f"b:{chance.randrange(9)}", self.turn)])
            case "job":
                self.state.put_job(Job(f"j{chance.randrange(5)}", "erasure", "ws_abcdefgh", {}, "find", self.turn))
            case _:
                self.look(reader, disk)
                self.trim(reader, min(cursor.position for cursor in self.state.cursors().values()))
        self._note()

    def _note(self) -> None:
        """After each change: what stands there now counts, or, once the power is gone, what it changed may count."""
        if self.disk is not None:
            with self.disk.lock:
                self.told = [*(self.told if self.disk.over else []), observed(self.state)]

    def _block(self, reader: Any, lane: Lane, chance: Random) -> None:
        cursor = self.state.cursors()[lane]
        chunk = reader.read(lane, cursor.position, 20)
        if not chunk.count:
            return
        plan = Plan(lane, cursor.block + 1, cursor.position, chunk.end, months_of(chunk.records))
        plan = self.state.plan(plan)
        self._note()
        self._finish(reader, plan, chance.randrange(20))

    def _finish(self, reader: Any, plan: Plan, link: int = 0) -> None:
        """Also of a block that a crash left in doubt: its records are the same ones."""
        records = reader.read(plan.lane, plan.start, FOREVER, plan.end).records
        assert months_of(records) == plan.months, "the log holds something else than was planned"
        ids = [record.batch for record in records]
        if self.disk is None or not self.disk.over:
            assert self.store.setdefault((plan.lane, plan.block), ids) == ids, "a block is not the same as before"
        self.state.commit(plan, [Link("ws_abcdefgh", "a:1", f"b:{link}", self.turn)])
        self._note()

    def check(self, root: Path) -> Iterator[str]:
        state = SqliteState(root / "state.db")
        found, cursors = observed(state), state.cursors()
        state.close()
        if self.told and found not in self.told:
            yield "the state is neither as before the last change nor as after it"
        yield from super().check(root)
        with self.opened(root) as (_, reader):
            for lane, cursor in cursors.items():
                if cursor.position > reader.durable():
                    yield f"the cursor of {lane} is at {cursor.position}, the log ends at {reader.durable()}"
            if ids := [one for block in self.store.values() for one in block]:
                yield from self._stored(ids, reader)
        self.told = [found]

    def _stored(self, ids: list[bytes], reader: Any) -> Iterator[str]:
        """Each batch of a lane is in the store once, or behind the cursor."""
        for lane in Lane:
            stored = [one for (of, _), block in sorted(self.store.items()) if of is lane for one in block]
            waiting = [each.batch for each in reader.read(lane, self.state.cursors()[lane].position, FOREVER).records]
            everywhere = [*stored, *waiting]
            if len(set(everywhere)) != len(everywhere):
                yield f"a batch of {lane} would be stored twice"
            due = [one for one in self.due if any(part.lane is lane for part in self.sent[one].parts)]
            if lost := set(due) - set(everywhere):
                yield f"{len(lost)} of {len(due)} batches of {lane} are neither stored nor waiting"


def observed(state: SqliteState) -> Any:
    return state.ledger(), sorted(state.links()), state.severed(), state.jobs()


class ClaimsWork(LogWork):
    """Keys are claimed with batches, taken over from the log into their file, and the log is trimmed behind that."""

    name = "claims, and the log they come from"
    calls = 260

    def __init__(self) -> None:
        super().__init__()
        self.values: dict[bytes, bytes] = {}
        """Every value that was ever handed in for a key: each key has one."""
        self.claimed: set[bytes] = set()
        """Those that were acknowledged."""

    def run(self, root: Path, disk: Disk, chance: Random) -> None:
        with self.claiming(root, chance.choice(SEGMENTS)) as (claims, reader), asyncio.Runner() as runner:
            while not disk.over and disk.calls < 2 * self.calls:
                self.turn += 1
                match chance.choices(("claim", "take over", "trim"), (70, 18, 12))[0]:
                    case "claim":
                        runner.run(self._claim(claims, disk, chance))
                    case "take over":
                        runner.run(claims.take_over())
                    case _:
                        self.look(reader, disk)
                        self.trim(reader, reader.durable())

    @contextmanager
    def claiming(self, root: Path, segment_bytes: int = 20_000) -> Iterator[tuple[TakenClaims, Any]]:
        with self.opened(root, segment_bytes) as (appender, reader):
            shelf = SqliteClaims(root / "claims.db")
            claims = TakenClaims(appender, shelf, DAY_MS, lambda *_: False)
            claims.recover(reader)
            try:
                yield claims, reader
            finally:
                claims.close()
                shelf.close()

    async def _claim(self, claims: TakenClaims, disk: Disk, chance: Random) -> None:
        batch = self.batches(chance)[0]
        key = chance.randbytes(16) if chance.random() < 0.7 or not self.values else chance.choice([*self.values])
        with claims.hold() as hold:
            known = await hold.take({key})
            if known:
                assert known[key] == self.values[key]
                return
            assert key not in self.claimed, "what was claimed could be claimed again"
            self.values[key] = value = batch.id + chance.randbytes(8)
            self.sent[batch.id] = sent = replace(batch, claims=(Claim(key, value),))
            await hold.append(sent)
        self._acknowledged(sent, key, disk)

    def _acknowledged(self, batch: Batch, key: bytes, disk: Disk) -> None:
        with disk.lock:
            if not disk.over:
                self.claimed.add(key)
                self.due[batch.id] = self.turn

    def check(self, root: Path) -> Iterator[str]:
        yield from super().check(root)
        with self.claiming(root) as (claims, _):
            found: Mapping[bytes, bytes] = asyncio.run(claims.find(self.values.keys()))
            if lost := self.claimed - found.keys():
                yield f"{len(lost)} of {len(self.claimed)} claims are lost"
            if wrong := [key for key, value in found.items() if self.values[key] != value]:
                yield f"{len(wrong)} claims say something else"
            self.claimed |= found.keys()
