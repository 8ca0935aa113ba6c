"""A catalog answered from memory, over a database: what it says and may become, whichever database that is."""

import hmac
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import msgspec
from msgspec import UNSET

from headwater.catalog import backfills, credentials, new_signals
from headwater.catalog.base import (
    SESSION_ENDED,
    WORKSPACE_SCOPES,
    Actor,
    Approval,
    Backfill,
    By,
    Change,
    Credentials,
    Key,
    NewSignal,
    Principal,
    Scope,
    SignalChanges,
    Workspace,
    WorkspaceChanges,
)
from headwater.catalog.memory import Memory
from headwater.catalog.preset import PRESETS
from headwater.catalog.rows import Record, Writing
from headwater.clock import now_ms
from headwater.config import Settings
from headwater.errors import ConflictError, InvalidError, NotFoundError
from headwater.rules import schema as schemas
from headwater.rules import signal as signal_rules
from headwater.rules.ids import key_digest, key_is_wellformed, new_id, new_key
from headwater.rules.names import (
    check_max_identities,
    check_name,
    check_never_connect,
    check_region,
)
from headwater.signals import SchemaVersion, Signal

_BY_ITSELF = "gateway"
"""Who changes what nobody asked to be changed."""

_SHOWN = 7
"""Characters of a key that are kept for people to recognise it by."""


class Write:
    """What one transaction changes. It is taken over into memory once it is durable."""

    def __init__(self, database: Writing) -> None:
        self._database = database
        self.records: list[Record] = []

    def put(self, *records: Record) -> None:
        for record in records:
            self._database.put(record)
        self.records.extend(records)


class CachedCatalog(ABC):
    """`catalog.base.Catalog` but for where the memory comes from, and how it is kept true."""

    _database: Writing

    def __init__(self, secret: bytes) -> None:
        """`secret` keys the hashes of the keys and the audit's chain (16 to 64 bytes)."""
        self._secret = secret
        self._validators: dict[tuple[str, int], schemas.Validator] = {}
        self._standing: dict[str, str] = {}

    @abstractmethod
    def _known(self) -> Memory:
        """What is answered from."""

    def _looked(self) -> Memory:
        """The same where keys are asked for: whoever sends a request sends one."""
        return self._known()

    def _found_more(self) -> bool:
        """Looks in the database for what is not known; whether there was anything."""
        return False

    @abstractmethod
    def _writing(self, obeyed: bool = True) -> AbstractContextManager[Write]:
        """A transaction over what is true now, whoever wrote it; then memory follows. With `obeyed`, what it changed
        is obeyed everywhere when it ends."""

    @abstractmethod
    def close(self) -> None: ...

    # --- the hot path -----------------------------------------------------------------------------------------------

    def principal(self, key: str) -> Principal | None:
        if not key_is_wellformed(key):
            return None
        memory = self._looked()
        digest = key_digest(self._secret, key)
        found = memory.by_digest.get(digest)
        if found is None and self._found_more():
            found = self._known().by_digest.get(digest)
        if found is None or not hmac.compare_digest(found[0].digest, digest) or found[0].has_ended(now_ms()):
            return None
        return found[1]

    def key(self, id: str) -> Key | None:
        found = self._looked().keys.get(id)
        return None if found is None or found.has_ended(now_ms()) else found

    def signal(self, workspace: str, slug: str) -> Signal | None:
        return self._known().signals_of(workspace).get(slug)

    def signals_of(self, workspace: str) -> Mapping[str, Signal]:
        return self._known().signals_of(workspace)

    def has_version(self, signal_id: str, version: int) -> bool:
        return 1 <= version <= len(self.versions(signal_id))

    def versions(self, signal_id: str) -> Sequence[SchemaVersion]:
        return self._known().versions.get(signal_id, ())

    def validator(self, signal_id: str, version: int) -> schemas.Validator:
        found = self._validators.get((signal_id, version))
        if found is None:
            if not self.has_version(signal_id, version):
                raise NotFoundError(f"there is no version {version} of this signal")
            published = self.versions(signal_id)[version - 1]
            found = self._validators[signal_id, version] = schemas.compile(published.schema)
        return found

    def workspace(self, id: str) -> Workspace:
        found = self._known().workspaces.get(id)
        if found is None:
            raise NotFoundError("there is no such workspace")
        return found

    def backfill(self, workspace: str, id: str) -> Backfill | None:
        return self._known().backfills_of(workspace).get(id)

    def standing_backfill(self, workspace: str, now_ms: int) -> Backfill:
        found = self.backfill(workspace, self._standing.get(workspace, ""))
        if found is None or found.status != "open" or found.day != backfills.day_of(now_ms):
            found = self._find_standing(workspace, now_ms)
            self._standing[workspace] = found.id
        return found

    # --- workspaces -------------------------------------------------------------------------------------------------

    def workspaces(self) -> Sequence[Workspace]:
        return sorted(self._known().workspaces.values(), key=lambda workspace: workspace.name)

    def create_workspace(
        self,
        actor: By,
        name: str,
        preset: str | None = "ecommerce",
        scopes: frozenset[Scope] = WORKSPACE_SCOPES,
        key: str | None = None,
    ) -> tuple[Workspace, str]:
        workspace = Workspace(new_id("ws"), check_name(name), None, now_ms())
        if preset is not None and preset not in PRESETS:
            raise InvalidError(f"'preset' must be one of {', '.join(PRESETS)}", "preset")
        text = key or new_key()
        with self._writing() as write:
            if any(other.name == workspace.name for other in self._known().workspaces.values()):
                raise ConflictError(f"there is a workspace '{workspace.name}' already")
            write.put(workspace, self._new_key(workspace.id, text, "first key", scopes))
            for new in PRESETS[preset] if preset else ():
                write.put(*new_signals.made(workspace.id, new))
            write.put(_change(workspace.id, actor, "workspace.create", workspace.id, name=name, preset=preset))
        return workspace, text

    def update_workspace(self, actor: By, workspace: str, changes: WorkspaceChanges) -> Workspace:
        asked = {name: value for name, value in msgspec.structs.asdict(changes).items() if value is not UNSET}
        if asked.get("default_region") is not None:
            asked["default_region"] = check_region(asked["default_region"])
        if "max_identities" in asked:
            check_max_identities(asked["max_identities"])
        if not asked:
            return self.workspace(workspace)
        with self._writing() as write:
            known = self.workspace(workspace)
            if "never_connect" in asked:
                region = asked.get("default_region", known.default_region)
                asked["never_connect"] = check_never_connect(asked["never_connect"], region)
            changed = msgspec.structs.replace(known, **asked)
            write.put(changed, _change(workspace, actor, "workspace.update", workspace, **asked))
        return changed

    # --- signals ----------------------------------------------------------------------------------------------------

    def create_signal(self, actor: By, workspace: str, new: NewSignal) -> Signal:
        signal, *versions = new_signals.made(workspace, new)
        assert isinstance(signal, Signal)
        with self._writing() as write:
            if self._known().is_taken(workspace, signal.slug):
                raise ConflictError(f"the slug '{signal.slug}' is taken")
            write.put(signal, *versions, _change(workspace, actor, "signal.create", signal.id, slug=signal.slug))
        return self._live(workspace, signal.slug)

    def update_signal(self, actor: By, workspace: str, slug: str, changes: SignalChanges) -> Signal:
        asked = msgspec.structs.asdict(changes)
        asked = {field: value for field, value in asked.items() if value is not UNSET}
        if "name" in asked:
            asked["name"] = check_name(asked["name"])
        with self._writing() as write:
            signal = signal_rules.check(msgspec.structs.replace(self._live(workspace, slug), **asked))
            write.put(signal, _change(workspace, actor, "signal.update", signal.id, slug=slug, **asked))
        return self._live(workspace, slug)

    def ensure_signals(self, workspace: str, wanted: Sequence[NewSignal]) -> Mapping[str, Signal]:
        slugs = [new_signals.slug_of(new) for new in wanted]
        known = self.signals_of(workspace)
        if not all(slug in known for slug in slugs):
            with self._writing(obeyed=False) as write:
                for slug, new in zip(slugs, wanted, strict=True):
                    if not self._known().is_taken(workspace, slug):
                        signal, *versions = new_signals.made(workspace, new)
                        assert isinstance(signal, Signal)
                        told = {"slug": slug, "draft": True} if new.draft else {"slug": slug}
                        change = _change(workspace, _BY_ITSELF, "signal.create", signal.id, **told)
                        write.put(signal, *versions, change)
            known = self.signals_of(workspace)
        return {slug: known[slug] for slug in slugs if slug in known}

    def is_taken(self, workspace: str, slug: str) -> bool:
        return self._known().is_taken(workspace, slug)

    def approve_signal(self, actor: By, workspace: str, slug: str, changes: Approval) -> Signal:
        asked = {field: value for field, value in msgspec.structs.asdict(changes).items() if value is not UNSET}
        if "name" in asked:
            asked["name"] = check_name(asked["name"])
        with self._writing() as write:
            known = self._live(workspace, slug)
            if not known.draft:
                raise ConflictError(f"the signal '{slug}' is no draft")
            signal = signal_rules.check(msgspec.structs.replace(known, draft=False, **asked))
            write.put(signal, _change(workspace, actor, "signal.approve", signal.id, slug=slug, **asked))
        return self._live(workspace, slug)

    def archive_signal(self, actor: By, workspace: str, slug: str) -> None:
        with self._writing() as write:
            signal = msgspec.structs.replace(self._live(workspace, slug), archived=True)
            write.put(signal, _change(workspace, actor, "signal.archive", signal.id, slug=slug))

    def add_version(self, actor: By, workspace: str, slug: str, schema: object) -> SchemaVersion:
        validator = schemas.compile(schema)
        assert isinstance(schema, dict)
        with self._writing() as write:
            signal = self._live(workspace, slug)
            version = SchemaVersion(signal.id, (signal.latest or 0) + 1, schema, now_ms())
            change = _change(workspace, actor, "signal.publish", signal.id, slug=slug, version=version.version)
            write.put(version, signal, change)  # the signal again: memory reads its latest version anew
        self._validators[signal.id, version.version] = validator
        return version

    def _live(self, workspace: str, slug: str) -> Signal:
        signal = self.signal(workspace, slug)
        if signal is None:
            raise NotFoundError(f"there is no signal '{slug}'")
        return signal

    # --- keys -------------------------------------------------------------------------------------------------------

    def keys(self, workspace: str) -> Sequence[Key]:
        return [key for key in self._known().keys.values() if key.workspace == workspace]

    def create_key(
        self, actor: By, workspace: str, name: str, scopes: frozenset[Scope], expires_ms: int | None = None
    ) -> tuple[Key, str]:
        text = new_key()
        with self._writing() as write:
            key = self._new_key(self.workspace(workspace).id, text, name, scopes, expires_ms)
            write.put(key, _change(workspace, actor, "key.create", key.id, name=key.name, scopes=sorted(scopes)))
        return key, text

    def revoke_key(self, actor: By, workspace: str, key_id: str) -> Key:
        with self._writing() as write:
            key = self._key(workspace, key_id)
            if key.revoked_ms is None:
                key = msgspec.structs.replace(key, revoked_ms=now_ms())
                write.put(key, _change(workspace, actor, "key.revoke", key.id))
        return key

    def rotate_key(self, actor: By, workspace: str, key_id: str, grace_seconds: int) -> tuple[Key, str]:
        text, now = new_key(), now_ms()
        with self._writing() as write:
            old = self._key(workspace, key_id)
            if old.has_ended(now):
                raise ConflictError("this key has ended already")
            ends = min(now + grace_seconds * 1000, old.expires_ms or 1 << 62)
            key = self._new_key(workspace, text, old.name, old.scopes, old.expires_ms)
            change = _change(workspace, actor, "key.rotate", old.id, by=key.id, grace_seconds=grace_seconds)
            write.put(key, msgspec.structs.replace(old, expires_ms=ends), change)
        return key, text

    def _new_key(
        self, workspace: str, text: str, name: str, scopes: frozenset[Scope], expires_ms: int | None = None
    ) -> Key:
        name = check_name(name, needed=False)
        digest = key_digest(self._secret, text)
        return Key(new_id("key"), workspace, digest, text[:_SHOWN], name, scopes, now_ms(), expires_ms)

    def _key(self, workspace: str, key_id: str) -> Key:
        key = self._known().keys.get(key_id)
        if key is None or key.workspace != workspace:
            raise NotFoundError(f"there is no key '{key_id}'")
        return key

    # --- backfills --------------------------------------------------------------------------------------------------

    def backfills(self, workspace: str) -> Sequence[Backfill]:
        return list(self._known().backfills_of(workspace).values())[::-1]

    def create_backfill(self, actor: By, workspace: str, name: str, hold: bool = False) -> Backfill:
        made = backfills.made(self.workspace(workspace).id, name, hold, now_ms())
        with self._writing() as write:
            if any(other.name == made.name for other in self.backfills(workspace)):
                raise ConflictError(f"there is a backfill '{made.name}' already")
            write.put(made, _change(workspace, actor, "backfill.create", made.id, name=made.name, hold=hold))
        return made

    def close_backfill(self, actor: By, workspace: str, id: str) -> Backfill:
        return self._turn(actor, workspace, id, "backfill.close", backfills.closed)

    def release_backfill(self, actor: By, workspace: str, id: str) -> Backfill:
        return self._turn(actor, workspace, id, "backfill.release", backfills.released)

    def revert_backfill(self, actor: By, workspace: str, id: str) -> Backfill:
        return self._turn(actor, workspace, id, "backfill.revert", backfills.reverted)

    def _turn(
        self, actor: By, workspace: str, id: str, action: str, turn: Callable[[Backfill, int], Backfill]
    ) -> Backfill:
        """What one becomes, written down if it changes."""
        with self._writing() as write:
            known = self.backfill(workspace, id)
            if known is None:
                raise NotFoundError(f"there is no backfill '{id}'")
            turned = turn(known, now_ms())
            if turned != known:
                write.put(turned, _change(workspace, actor, action, id))
        return turned

    def _find_standing(self, workspace: str, moment: int) -> Backfill:
        """Another process may have made or closed one, so it is looked for as a writer. Nobody was told anything that
        others would have to obey."""
        day = backfills.day_of(moment)
        with self._writing(obeyed=False) as write:
            known = self.backfills(self.workspace(workspace).id)
            open_ = [each for each in known if each.day is not None and each.status == "open"]
            found = next((each for each in open_ if each.day == day), None)
            if found is None:
                found = backfills.standing(workspace, moment, known)
                write.put(found, _change(workspace, _BY_ITSELF, "backfill.create", found.id, name=found.name))
            for each in open_:
                if each.day != day:
                    write.put(backfills.closed(each, moment))
                    write.put(_change(workspace, _BY_ITSELF, "backfill.close", each.id))
        return found

    # --- the rest ---------------------------------------------------------------------------------------------------

    def note(self, actor: By, workspace: str, action: str, target: str) -> None:
        with self._writing(obeyed=False) as write:
            write.put(_change(workspace, actor, action, target))

    def end(self, actor: By, workspace: str, session: str) -> bool:
        with self._writing(obeyed=False) as write:
            if self.ended(session):  # under the lock nobody's end is missing
                return False
            write.put(_change(workspace, actor, SESSION_ENDED, session))
        return True

    def ended(self, session: str) -> bool:
        return session in self._known().ended

    def noted(self, action: str, since_ms: int) -> Sequence[tuple[str, int]]:
        return self._database.noted(action, since_ms)

    def audit(self, workspace: str, limit: int, before: int | None = None) -> Sequence[Change]:
        return self._database.changes(workspace, limit, (1 << 62) if before is None else before)

    def first_start(self, settings: Settings) -> Credentials | None:
        return credentials.first_start(self, settings)


def _change(workspace: str, actor: By, action: str, target: str, **detail: Any) -> Change:
    who = actor if isinstance(actor, Actor) else Actor(actor)
    return Change(0, workspace, who.id, action, target, detail, now_ms(), who.address)
