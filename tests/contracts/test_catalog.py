"""What every catalog adapter must do. Another adapter is another parameter of `open_catalog`."""

import os
import signal as signals
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import psycopg
import pytest

from headwater.catalog.base import (
    ALL_SCOPES,
    WORKSPACE_SCOPES,
    Approval,
    Catalog,
    NewSignal,
    SignalChanges,
    WorkspaceChanges,
)
from headwater.catalog.credentials import load_secret, read_credentials
from headwater.catalog.examined import Chain, Examined
from headwater.catalog.postgres import PostgresCatalog
from headwater.catalog.postgres_view import PostgresCatalogView
from headwater.catalog.preset import ECOMMERCE
from headwater.catalog.sqlite import LOOK_SECONDS, SqliteCatalog
from headwater.catalog.view import SqliteCatalogView
from headwater.clock import now_ms
from headwater.config import Settings
from headwater.errors import ConflictError, CorruptionError, InvalidError, NotFoundError, StartError, UnavailableError
from headwater.rules.ids import new_key
from headwater.signals import DEFAULT_LIMITS

Open = Callable[[], Catalog]
ME = "key_tester00"


class Adapter(Protocol):
    """One catalog, which every call opens as another process would."""

    def open(self, secret: bytes) -> Catalog: ...

    def view(self) -> Examined: ...

    def kept(self) -> bytes:
        """Everything that was written down."""


class Embedded:
    """A file in the data directory."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def open(self, secret: bytes) -> Catalog:
        return SqliteCatalog(self._settings.catalog_path, secret)

    def view(self) -> Examined:
        return SqliteCatalogView(self._settings.catalog_path, None)

    def kept(self) -> bytes:
        for file in self._settings.data_dir.iterdir():
            assert file.stat().st_mode & 0o077 == 0, file
        return b"".join(file.read_bytes() for file in self._settings.data_dir.iterdir())


class Shared:
    """A database that several gateways use. Each catalog here is another gateway's."""

    def __init__(self, url: str) -> None:
        self._url = url

    def open(self, secret: bytes) -> Catalog:
        return PostgresCatalog(self._url, secret)

    def view(self) -> Examined:
        return PostgresCatalogView(self._url)

    def kept(self) -> bytes:
        with psycopg.connect(self._url) as connection:
            tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'headwater'").fetchall()
            rows = [connection.execute(f"SELECT t::text FROM headwater.{name} t").fetchall() for (name,) in tables]
        assert len(rows) > 6
        return repr(rows).encode()


def embedded(request: pytest.FixtureRequest, settings: Settings) -> Adapter:
    return Embedded(settings)


def shared(request: pytest.FixtureRequest, settings: Settings) -> Adapter:
    return Shared(request.getfixturevalue("postgres").database())


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data")


@pytest.fixture(params=[embedded, pytest.param(shared, marks=pytest.mark.cluster)])
def adapter(request: pytest.FixtureRequest, settings: Settings) -> Adapter:
    found: Adapter = request.param(request, settings)
    return found


files = pytest.mark.parametrize("adapter", [embedded], indirect=True)
"""What looks at, or damages, the file itself."""


@pytest.fixture
def reopen(adapter: Adapter, settings: Settings) -> Iterator[Open]:
    """Opens the same catalog again, as another process would."""
    opened: list[Catalog] = []

    def open_catalog() -> Catalog:
        opened.append(adapter.open(load_secret(settings)))
        return opened[-1]

    yield open_catalog
    for each in opened:
        each.close()


@pytest.fixture
def catalog(reopen: Open) -> Catalog:
    return reopen()


@pytest.fixture
def workspace(catalog: Catalog) -> str:
    return catalog.create_workspace(ME, "acme", preset=None)[0].id


# --- keys --------------------------------------------------------------------------------------------------------


def test_a_key_tells_its_workspace_and_scopes(catalog: Catalog) -> None:
    one, key_one = catalog.create_workspace(ME, "one")
    two, key_two = catalog.create_workspace(ME, "two", scopes=ALL_SCOPES)
    for workspace, key, scopes in ((one, key_one, WORKSPACE_SCOPES), (two, key_two, ALL_SCOPES)):
        principal = catalog.principal(key)
        assert principal is not None
        assert (principal.workspace, principal.scopes) == (workspace.id, scopes)


@pytest.mark.parametrize("key", ["", "sk_your_api_key_here", "sk_ä", "x" * 10_000, "sk_\ud800"])
def test_what_is_no_key_belongs_to_nobody(catalog: Catalog, workspace: str, key: str) -> None:
    assert catalog.principal(key) is None


def test_an_unknown_key_belongs_to_nobody(catalog: Catalog, workspace: str) -> None:
    assert catalog.principal(new_key()) is None


def test_a_revoked_key_is_refused_at_once_and_for_good(catalog: Catalog, workspace: str, reopen: Open) -> None:
    for n in range(50):
        key, text = catalog.create_key(ME, workspace, f"key {n}", frozenset(("ingest",)))
        assert catalog.principal(text) is not None
        catalog.revoke_key(ME, workspace, key.id)
        assert catalog.principal(text) is None
    assert reopen().principal(text) is None
    assert catalog.revoke_key(ME, workspace, key.id).revoked_ms is not None


def test_a_key_expires(catalog: Catalog, workspace: str) -> None:
    _, text = catalog.create_key(ME, workspace, "short", frozenset(("read",)), expires_ms=now_ms() + 200)
    assert catalog.principal(text) is not None
    time.sleep(0.25)
    assert catalog.principal(text) is None


def test_a_rotated_key_works_for_its_grace_and_no_longer(catalog: Catalog, workspace: str) -> None:
    old, old_text = catalog.create_key(ME, workspace, "shop", frozenset(("ingest",)))
    new, new_text = catalog.rotate_key(ME, workspace, old.id, grace_seconds=1)
    assert (new.name, new.scopes, new.id != old.id) == ("shop", old.scopes, True)
    assert catalog.principal(old_text) is not None and catalog.principal(new_text) is not None
    time.sleep(1.05)
    assert catalog.principal(old_text) is None and catalog.principal(new_text) is not None
    with pytest.raises(ConflictError):
        catalog.rotate_key(ME, workspace, old.id, grace_seconds=0)
    _, newest = catalog.rotate_key(ME, workspace, new.id, grace_seconds=0)
    assert catalog.principal(new_text) is None and catalog.principal(newest) is not None


def test_a_grace_never_lengthens_a_keys_life(catalog: Catalog, workspace: str) -> None:
    ends = now_ms() + 60_000
    old, _ = catalog.create_key(ME, workspace, "", frozenset(("read",)), expires_ms=ends)
    catalog.rotate_key(ME, workspace, old.id, grace_seconds=86_400)
    assert catalog.keys(workspace)[1].expires_ms == ends


def test_no_secret_is_kept(catalog: Catalog, workspace: str, adapter: Adapter) -> None:
    _, text = catalog.create_key(ME, workspace, "shop", frozenset(("ingest",)))
    kept = adapter.kept()
    assert text[:7].encode() in kept and text[10:].encode() not in kept


def test_a_key_is_known_by_its_id_as_long_as_it_is_good(catalog: Catalog, workspace: str, reopen: Open) -> None:
    key, text = catalog.create_key(ME, workspace, "k", frozenset(("read",)))
    short, _ = catalog.create_key(ME, workspace, "short", frozenset(("read",)), expires_ms=now_ms() + 200)
    assert catalog.key(key.id) == reopen().key(key.id) == key and key.principal == catalog.principal(text)
    assert catalog.key(short.id) is not None and catalog.key("key_00000000") is None
    time.sleep(0.25)
    assert catalog.key(short.id) is None
    catalog.revoke_key(ME, workspace, key.id)
    assert catalog.key(key.id) is None


def test_keys_stay_in_their_workspace(catalog: Catalog, workspace: str) -> None:
    other = catalog.create_workspace(ME, "other")[0].id
    key, text = catalog.create_key(ME, other, "theirs", frozenset(("read",)))
    for change in (catalog.revoke_key, lambda *at: catalog.rotate_key(*at, grace_seconds=0)):
        with pytest.raises(NotFoundError):
            change(ME, workspace, key.id)
    assert catalog.principal(text) is not None
    assert key.id not in {each.id for each in catalog.keys(workspace)}


# --- signals -----------------------------------------------------------------------------------------------------


def test_a_signal_is_there_at_once_and_after_a_restart(catalog: Catalog, workspace: str, reopen: Open) -> None:
    made = catalog.create_signal(ME, workspace, NewSignal(name="Visited Documentation Page", type="event"))
    assert made.slug == "visited-documentation-page"
    assert (made.active, made.latest, made.enforcement) == (True, None, "quarantine")
    for each in (catalog, reopen()):
        assert each.signal(workspace, made.slug) == made
        assert each.signals_of(workspace) == {made.slug: made}


@pytest.mark.parametrize(
    ("new", "limit"),
    [
        (NewSignal(name="a", type="event"), DEFAULT_LIMITS["event"]),
        (NewSignal(name="a", type="metric", aggregation="count", period="day"), DEFAULT_LIMITS["metric"]),
        (NewSignal(name="a", type="state", value="health"), DEFAULT_LIMITS["state"]),
        (NewSignal(name="a", type="event", rate_limit=None), None),
        (NewSignal(name="a", type="event", rate_limit=7), 7),
    ],
)
def test_a_rate_limit_is_the_types_unless_given(
    catalog: Catalog, workspace: str, new: NewSignal, limit: int | None
) -> None:
    assert catalog.create_signal(ME, workspace, new).rate_limit == limit


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("API calls", "api-calls"),
        ("  Élan  vital! ", "elan-vital"),
        ("a--b", "a-b"),
        ("v1.2", "v1-2"),
        ("x" * 150, "x" * 100),
    ],
)
def test_a_slug_is_made_from_the_name(catalog: Catalog, workspace: str, name: str, slug: str) -> None:
    assert catalog.create_signal(ME, workspace, NewSignal(name=name, type="event")).slug == slug


@pytest.mark.parametrize(
    ("new", "path"),
    [
        (NewSignal(name="", type="event"), "slug"),
        (NewSignal(name=" ", type="event", slug="a"), "name"),
        (NewSignal(name="a\x00b", type="event"), "name"),
        (NewSignal(name="日本", type="event"), "slug"),
        (NewSignal(name="a", type="event", slug="a b"), "slug"),
        (NewSignal(name="a", type="event", slug="a/b"), "slug"),
        (NewSignal(name="a", type="event", slug=".."), "slug"),
        (NewSignal(name="a", type="event", slug="ä"), "slug"),
        (NewSignal(name="a", type="event", slug="a\n"), "slug"),
        (NewSignal(name="a", type="event", slug=""), "slug"),
        (NewSignal(name="a", type="event", rate_limit=0), "rate_limit"),
        (NewSignal(name="a", type="event", rate_limit=10**30), "rate_limit"),
        (NewSignal(name="a", type="event", retention_days=0), "retention_days"),
        (NewSignal(name="a", type="event", retention_days=36_501), "retention_days"),
        (NewSignal(name="a", type="event", value="x"), "value"),
        (NewSignal(name="a", type="event", period="day"), "period"),
        (NewSignal(name="a", type="metric"), "aggregation"),
        (NewSignal(name="a", type="metric", aggregation="sum", value="x"), "period"),
        (NewSignal(name="a", type="metric", aggregation="sum", period="day"), "value"),
        (NewSignal(name="a", type="metric", aggregation="sum", period="day", value="a..b"), "value"),
        (NewSignal(name="a", type="state"), "value"),
        (NewSignal(name="a", type="state", value="x", aggregation="sum"), "aggregation"),
        (NewSignal(name="a", type="event", schema={"type": "strng"}), "schema.type"),
    ],
)
def test_a_definition_that_cannot_be_is_refused_whole(
    catalog: Catalog, workspace: str, new: NewSignal, path: str
) -> None:
    with pytest.raises(InvalidError) as refused:
        catalog.create_signal(ME, workspace, new)
    assert refused.value.path == path
    assert not catalog.signals_of(workspace)
    assert len(catalog.audit(workspace, 100)) == 1


def test_a_slug_is_given_once(catalog: Catalog, workspace: str, reopen: Open) -> None:
    catalog.create_signal(ME, workspace, NewSignal(name="a", type="event"))
    with pytest.raises(ConflictError):
        catalog.create_signal(ME, workspace, NewSignal(name="A", type="event"))
    catalog.archive_signal(ME, workspace, "a")
    for each in (catalog, reopen()):
        assert each.signal(workspace, "a") is None
        assert not each.signals_of(workspace)
        with pytest.raises(ConflictError):
            each.create_signal(ME, workspace, NewSignal(name="a", type="event"))
        with pytest.raises(NotFoundError):
            each.archive_signal(ME, workspace, "a")


def test_an_edit_makes_a_new_signal_and_a_new_mapping(catalog: Catalog, workspace: str, reopen: Open) -> None:
    made = catalog.create_signal(ME, workspace, NewSignal(name="a", type="event"))
    held = catalog.signals_of(workspace)
    changes = SignalChanges(name="b", active=False, rate_limit=None, enforcement="reject")
    edited = catalog.update_signal(ME, workspace, "a", changes)
    assert held["a"] == made and made.active
    assert (edited.slug, edited.name, edited.active, edited.rate_limit, edited.enforcement) == (
        "a",
        "b",
        False,
        None,
        "reject",
    )
    assert catalog.signal(workspace, "a") == reopen().signal(workspace, "a") == edited
    assert catalog.update_signal(ME, workspace, "a", SignalChanges()) == edited
    with pytest.raises(InvalidError):
        catalog.update_signal(ME, workspace, "a", SignalChanges(value="x"))
    with pytest.raises(NotFoundError):
        catalog.update_signal(ME, workspace, "none", SignalChanges(name="x"))


def test_dedupe_and_retention_are_set_and_cleared(catalog: Catalog, workspace: str, reopen: Open) -> None:
    new = NewSignal(name="a", type="event", dedupe_by="reference", retention_days=36_500)
    made = catalog.create_signal(ME, workspace, new)
    assert (made.dedupe_by, made.retention_days) == ("reference", 36_500)
    assert reopen().signal(workspace, "a") == made
    renamed = catalog.update_signal(ME, workspace, "a", SignalChanges(name="b"))
    assert (renamed.dedupe_by, renamed.retention_days) == ("reference", 36_500)
    with pytest.raises(InvalidError) as refused:
        catalog.update_signal(ME, workspace, "a", SignalChanges(retention_days=-1))
    assert refused.value.path == "retention_days"
    cleared = catalog.update_signal(ME, workspace, "a", SignalChanges(dedupe_by=None, retention_days=None))
    assert (cleared.dedupe_by, cleared.retention_days) == (None, None)
    assert reopen().signal(workspace, "a") == cleared


def test_signals_that_were_sent_are_made_once(catalog: Catalog, workspace: str, reopen: Open) -> None:
    draft = NewSignal(name="Sent", slug="sent", type="event", rate_limit=None, draft=True)
    built_in = NewSignal(name="Page", slug="page", type="event", rate_limit=None, preset="segment")
    made = catalog.ensure_signals(workspace, [draft, built_in])
    assert {slug: signal.draft for slug, signal in made.items()} == {"sent": True, "page": False}
    assert catalog.ensure_signals(workspace, [draft]) == {"sent": made["sent"]}
    other = reopen()
    assert other.ensure_signals(workspace, [built_in, draft]) == made
    actions = [(change.action, change.actor) for change in catalog.audit(workspace, 2)]
    assert actions == [("signal.create", "gateway")] * 2
    catalog.archive_signal(ME, workspace, "sent")
    assert catalog.is_taken(workspace, "sent") and not catalog.is_taken(workspace, "never")
    assert catalog.ensure_signals(workspace, [draft, built_in]).keys() == {"page"}


def test_a_draft_becomes_a_signal_of_any_type(catalog: Catalog, workspace: str, reopen: Open) -> None:
    catalog.ensure_signals(workspace, [NewSignal(name="Sold", slug="sold", type="event", rate_limit=None, draft=True)])
    with pytest.raises(InvalidError, match="'value' is required"):
        catalog.approve_signal(ME, workspace, "sold", Approval(type="state"))
    state = Approval(type="state", value="plan", name="Plan")
    approved = catalog.approve_signal(ME, workspace, "sold", state)
    assert (approved.draft, approved.type, approved.value, approved.name) == (False, "state", "plan", "Plan")
    assert reopen().signal(workspace, "sold") == approved == catalog.signal(workspace, "sold")
    with pytest.raises(ConflictError):
        catalog.approve_signal(ME, workspace, "sold", Approval())
    with pytest.raises(NotFoundError):
        catalog.approve_signal(ME, workspace, "never", Approval())


def test_a_workspace_says_what_becomes_of_unknown_signals(catalog: Catalog, workspace: str, reopen: Open) -> None:
    assert catalog.workspace(workspace).unknown_signals == "refuse"
    changed = catalog.update_workspace(ME, workspace, WorkspaceChanges(unknown_signals="draft"))
    assert changed.unknown_signals == "draft" == reopen().workspace(workspace).unknown_signals


def test_signals_stay_in_their_workspace(catalog: Catalog, workspace: str) -> None:
    other = catalog.create_workspace(ME, "other", preset=None)[0].id
    mine = catalog.create_signal(ME, workspace, NewSignal(name="a", type="event"))
    theirs = catalog.create_signal(ME, other, NewSignal(name="a", type="event"))
    assert mine.id != theirs.id
    catalog.archive_signal(ME, other, "a")
    assert catalog.signal(workspace, "a") == mine
    assert catalog.signal(other, "a") is None
    catalog.create_signal(ME, other, NewSignal(name="b", type="event"))
    assert catalog.signal(workspace, "b") is None
    assert not catalog.signals_of("ws_nobody00")


# --- schemas -----------------------------------------------------------------------------------------------------


def test_versions_count_from_one_and_never_change(catalog: Catalog, workspace: str, reopen: Open) -> None:
    made = catalog.create_signal(ME, workspace, NewSignal(name="a", type="event"))
    assert not catalog.has_version(made.id, 1)
    for number, kind in enumerate(("string", "number", "boolean"), 1):
        schema = {"properties": {"a": {"type": kind}}}
        assert catalog.add_version(ME, workspace, "a", schema).version == number
        current = catalog.signal(workspace, "a")
        assert current is not None and current.latest == number
    for each in (catalog, reopen()):
        assert [version.version for version in each.versions(made.id)] == [1, 2, 3]
        assert [each.has_version(made.id, n) for n in (-1, 0, 1, 3, 4, 10**30)] == [
            False,
            False,
            True,
            True,
            False,
            False,
        ]
        assert each.validator(made.id, 1).ok({"a": "x"}) and not each.validator(made.id, 2).ok({"a": "x"})
        assert each.validator(made.id, 1) is each.validator(made.id, 1)
        with pytest.raises(NotFoundError):
            each.validator(made.id, 4)


def test_no_schema_publishes_nothing(catalog: Catalog, workspace: str) -> None:
    made = catalog.create_signal(ME, workspace, NewSignal(name="a", type="event"))
    for schema in ([], {"$ref": "file:///etc/passwd"}, {"const": float("inf")}):
        with pytest.raises(InvalidError):
            catalog.add_version(ME, workspace, "a", schema)
    assert not catalog.versions(made.id)
    with pytest.raises(NotFoundError):
        catalog.add_version(ME, workspace, "none", {})


def test_numbers_in_a_schema_stay_what_they_are(catalog: Catalog, workspace: str, reopen: Open) -> None:
    schema = {"enum": [10**30, 1.5, -0.0, "\u2028", "日本", None, True]}
    made = catalog.create_signal(ME, workspace, NewSignal(name="a", type="event", schema=schema))
    assert reopen().versions(made.id)[0].schema == schema


# --- the preset --------------------------------------------------------------------------------------------------


def test_the_preset_is_the_documents_catalogue(catalog: Catalog) -> None:
    workspace = catalog.create_workspace(ME, "shop")[0].id
    signals_ = catalog.signals_of(workspace)
    assert set(signals_) == set(ECOMMERCE) and len(signals_) == 16
    for signal in signals_.values():
        assert (signal.type, signal.rate_limit, signal.enforcement) == ("event", None, "reject")
        assert (signal.latest, signal.preset, signal.active) == (1, "ecommerce", True)
        missing = catalog.validator(signal.id, 1).faults({})
        assert tuple(fault.path[0] for fault in missing) == ECOMMERCE[signal.slug]


def test_a_presets_numbers_are_numbers_everywhere(catalog: Catalog) -> None:
    workspace = catalog.create_workspace(ME, "shop")[0].id
    for signal in catalog.signals_of(workspace).values():
        good = dict.fromkeys(ECOMMERCE[signal.slug], "x")
        good |= dict.fromkeys(("itemPrice", "cartValue", "totalNumberOfItems"), 1.5) | {"more": [None]}
        validator = catalog.validator(signal.id, 1)
        assert validator.faults(good) == []
        for name, wrong in (("itemPrice", "500"), ("cartValue", "1"), ("totalNumberOfItems", None)):
            assert [fault.message for fault in validator.faults(good | {name: wrong})] == ["must be a number"]
        for name in ECOMMERCE[signal.slug]:
            assert not validator.ok(good | {name: {}})


def test_a_preset_can_be_edited(catalog: Catalog) -> None:
    workspace = catalog.create_workspace(ME, "shop")[0].id
    assert catalog.add_version(ME, workspace, "pageViewed", {"required": ["page"]}).version == 2
    assert catalog.update_signal(ME, workspace, "optedOut", SignalChanges(rate_limit=5)).rate_limit == 5
    catalog.archive_signal(ME, workspace, "ordered")
    assert len(catalog.signals_of(workspace)) == 15


def test_there_is_no_other_preset(catalog: Catalog) -> None:
    with pytest.raises(InvalidError) as refused:
        catalog.create_workspace(ME, "shop", preset="none such")
    assert refused.value.path == "preset"
    assert not catalog.workspaces()


# --- workspaces and the audit ------------------------------------------------------------------------------------


def test_a_workspaces_name_is_its_own(catalog: Catalog, workspace: str, reopen: Open) -> None:
    with pytest.raises(ConflictError):
        catalog.create_workspace(ME, " acme ")
    assert [each.name for each in catalog.workspaces()] == ["acme"]
    assert reopen().workspace(workspace).name == "acme"
    with pytest.raises(NotFoundError):
        catalog.workspace("ws_nobody00")


def test_a_default_region_is_one(catalog: Catalog, workspace: str, reopen: Open) -> None:
    assert catalog.update_workspace(ME, workspace, WorkspaceChanges(default_region="in")).default_region == "IN"
    assert reopen().workspace(workspace).default_region == "IN"
    for wrong in ("", "XX", "India", "001"):
        with pytest.raises(InvalidError) as refused:
            catalog.update_workspace(ME, workspace, WorkspaceChanges(default_region=wrong))
        assert refused.value.path == "default_region"
    assert catalog.update_workspace(ME, workspace, WorkspaceChanges(default_region=None)).default_region is None


def test_every_change_is_written_down_once(catalog: Catalog, workspace: str) -> None:
    catalog.create_signal(ME, workspace, NewSignal(name="a", type="event"))
    catalog.update_signal(ME, workspace, "a", SignalChanges(active=False))
    catalog.add_version(ME, workspace, "a", {})
    catalog.archive_signal(ME, workspace, "a")
    key, _ = catalog.create_key(ME, workspace, "k", frozenset(("read",)))
    catalog.rotate_key(ME, workspace, key.id, 5)
    catalog.revoke_key(ME, workspace, key.id)
    catalog.revoke_key(ME, workspace, key.id)
    catalog.update_workspace(ME, workspace, WorkspaceChanges(default_region="IN"))
    changes = catalog.audit(workspace, 100)
    assert [each.action for each in reversed(changes)] == [
        "workspace.create",
        "signal.create",
        "signal.update",
        "signal.publish",
        "signal.archive",
        "key.create",
        "key.rotate",
        "key.revoke",
        "workspace.update",
    ]
    assert {each.actor for each in changes} == {ME}
    assert [each.id for each in catalog.audit(workspace, 2, before=changes[3].id)] == [each.id for each in changes[4:6]]
    other = catalog.create_workspace(ME, "other")[0].id
    assert len(catalog.audit(other, 100)) == 1


# --- another process ---------------------------------------------------------------------------------------------


def test_a_key_made_outside_works_at_once(catalog: Catalog, workspace: str, reopen: Open) -> None:
    for _ in range(20):
        _, text = reopen().create_key("command-line", workspace, "made outside", frozenset(("ingest",)))
        assert catalog.principal(text) is not None


def test_what_was_noted_is_known_by_its_action(catalog: Catalog, workspace: str, reopen: Open) -> None:
    other = catalog.create_workspace(ME, "other")[0].id
    began = now_ms()
    for at, target in ((workspace, "ses_1"), (other, "ses_2")):
        catalog.note(ME, at, "session.end", target)
    catalog.note(ME, workspace, "session.create", "ses_3")
    found = reopen().noted("session.end", began)
    assert [target for target, _ in found] == ["ses_1", "ses_2"] and all(at >= began for _, at in found)
    assert catalog.noted("session.end", now_ms() + 1) == []


def test_an_ended_session_is_known_to_all(catalog: Catalog, workspace: str, reopen: Open) -> None:
    outside = reopen()
    for n in range(3):
        catalog.note(ME, workspace, "session.end", f"ses_{n}")
        catalog.note(ME, workspace, "session.create", f"ses_{n}x")
        assert catalog.ended(f"ses_{n}") and not catalog.ended(f"ses_{n}x")
    deadline = time.monotonic() + 5
    while not outside.ended("ses_2"):
        assert time.monotonic() < deadline
        outside.principal(new_key())  # it may look when it is asked something
    assert all(each.ended(f"ses_{n}") for each in (outside, reopen()) for n in range(3))
    assert not outside.ended("ses_0x") and not outside.ended("")
    assert len(catalog.audit(workspace, 100)) == 7


def test_one_of_many_ends_a_session(catalog: Catalog, workspace: str, reopen: Open) -> None:
    """So that a link signs in once, whichever gateways it is brought to at once."""
    outside = reopen()
    for n in range(3):
        one, other = (catalog, outside) if n % 2 else (outside, catalog)
        assert [each.end(ME, workspace, f"link_{n}") for each in (one, other, one)] == [True, False, False]
        assert one.ended(f"link_{n}")
    assert len([each for each in catalog.audit(workspace, 100) if each.action == "session.end"]) == 3


def test_a_key_revoked_outside_is_refused_soon(catalog: Catalog, workspace: str, reopen: Open) -> None:
    key, text = catalog.create_key(ME, workspace, "k", frozenset(("ingest",)))
    assert catalog.principal(text) is not None
    reopen().revoke_key("command-line", workspace, key.id)
    time.sleep(LOOK_SECONDS + 0.05)
    assert catalog.principal(text) is None


def test_writers_do_not_undo_each_other(catalog: Catalog, workspace: str, reopen: Open) -> None:
    outside = reopen()
    catalog.create_signal(ME, workspace, NewSignal(name="a", type="event"))
    outside.update_signal(ME, workspace, "a", SignalChanges(name="outside"))
    mine = catalog.update_signal(ME, workspace, "a", SignalChanges(rate_limit=3))
    assert (mine.name, mine.rate_limit) == ("outside", 3)
    outside.create_signal(ME, workspace, NewSignal(name="b", type="event"))
    with pytest.raises(ConflictError):
        catalog.create_signal(ME, workspace, NewSignal(name="b", type="event"))
    assert outside.add_version(ME, workspace, "a", {}).version == 1
    assert catalog.add_version(ME, workspace, "a", {}).version == 2


# --- the first start ---------------------------------------------------------------------------------------------


def test_the_first_start_makes_a_workspace_and_its_key(catalog: Catalog, settings: Settings, reopen: Open) -> None:
    made = catalog.first_start(settings)
    assert made is not None and made.workspace == "default" and made.url == "http://127.0.0.1:8080"
    assert read_credentials(settings.credentials_path) == made
    assert settings.credentials_path.stat().st_mode & 0o777 == 0o600
    principal = catalog.principal(made.api_key)
    assert principal is not None and principal.scopes == ALL_SCOPES
    assert len(catalog.signals_of(principal.workspace)) == 16
    later = reopen()
    assert later.first_start(settings) == made
    assert len(later.keys(principal.workspace)) == 1


def test_a_lost_key_is_not_replaced_silently(catalog: Catalog, settings: Settings) -> None:
    made = catalog.first_start(settings)
    settings.credentials_path.unlink()
    assert catalog.first_start(settings) is None
    assert not settings.credentials_path.exists()
    assert made is not None and catalog.principal(made.api_key) is not None


def test_credentials_follow_the_address(catalog: Catalog, tmp_path: Path) -> None:
    first = catalog.first_start(Settings(data_dir=tmp_path / "data"))
    moved = catalog.first_start(Settings(data_dir=tmp_path / "data", host="::", port=9999))
    assert first is not None and moved is not None
    assert (moved.api_key, moved.url) == (first.api_key, "http://127.0.0.1:9999")
    assert read_credentials(tmp_path / "data" / "credentials.json") == moved


START = """
import os, signal, sys
from pathlib import Path
from headwater.catalog import credentials
from headwater.catalog.sqlite import SqliteCatalog
from headwater.config import Settings

settings, moment = Settings(data_dir=Path(sys.argv[1])), int(sys.argv[2])
step = 0

def die(*_):
    global step
    step += 1
    if step == moment:
        os.kill(os.getpid(), signal.SIGKILL)

# Every call and return of our own code is a moment to die at.
sys.setprofile(lambda frame, event, _: die() if "/headwater/catalog/" in frame.f_code.co_filename else None)
SqliteCatalog(settings.catalog_path, credentials.load_secret(settings)).first_start(settings)
sys.setprofile(None)
print(step)
"""


def start(settings: Settings, moment: int) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", START, str(settings.data_dir), str(moment)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_a_first_start_killed_anywhere_never_locks_out(tmp_path: Path) -> None:
    whole = start(Settings(data_dir=tmp_path / "whole"), 0)
    assert whole.returncode == 0, whole.stderr
    steps = int(whole.stdout)
    moments = sorted({1 + n * (steps - 1) // 23 for n in range(24)})
    outcomes = set()
    for moment in moments:
        settings = Settings(data_dir=tmp_path / str(moment))
        assert start(settings, moment).returncode == -signals.SIGKILL
        outcomes.add((settings.credentials_path.exists(), settings.catalog_path.exists()))
        catalog = SqliteCatalog(settings.catalog_path, load_secret(settings))
        try:
            made = catalog.first_start(settings)
            assert made is not None
            principal = catalog.principal(made.api_key)
            assert principal is not None and principal.scopes == ALL_SCOPES
            assert [each.name for each in catalog.workspaces()] == ["default"]
            assert len(catalog.keys(principal.workspace)) == 1
            assert len(catalog.signals_of(principal.workspace)) == 16
        finally:
            catalog.close()
    assert {(False, False), (True, True)} <= outcomes


@files
def test_a_crash_between_file_and_catalog_is_mended_by_the_next_start(settings: Settings, reopen: Open) -> None:
    class DiesError(Exception):
        pass

    class Dying(SqliteCatalog):
        def create_workspace(self, *args: object, **more: object) -> object:  # type: ignore[override]
            raise DiesError

    dying = Dying(settings.catalog_path, load_secret(settings))
    with pytest.raises(DiesError):
        dying.first_start(settings)
    dying.close()
    written = read_credentials(settings.credentials_path)
    catalog = reopen()
    assert catalog.first_start(settings) == written
    assert written is not None and catalog.principal(written.api_key) is not None


# --- secrets and files -----------------------------------------------------------------------------------------------


@files
def test_a_lost_secret_is_told_and_not_replaced(catalog: Catalog, settings: Settings) -> None:
    settings.secret_path.unlink()
    with pytest.raises(StartError, match="key-secret"):
        load_secret(settings)
    settings.secret_path.write_bytes(b"short")
    with pytest.raises(StartError, match="32 bytes"):
        load_secret(settings)


def test_another_secret_knows_no_key(catalog: Catalog, adapter: Adapter) -> None:
    _, key = catalog.create_workspace(ME, "acme")
    try:
        other = adapter.open(b"x" * 32)
    except StartError:  # where several must have the same
        return
    assert other.principal(key) is None
    other.close()


def test_a_damaged_or_foreign_catalog_is_told(tmp_path: Path) -> None:
    (tmp_path / "catalog.db").write_bytes(b"this is no database at all" * 100)
    with pytest.raises(CorruptionError):
        SqliteCatalog(tmp_path / "catalog.db", b"x" * 32)
    with pytest.raises(StartError):
        SqliteCatalog(tmp_path / "none" / "catalog.db", b"x" * 32)


@files
def test_a_newer_catalog_is_left_alone(catalog: Catalog, settings: Settings) -> None:
    import apsw

    connection = apsw.Connection(str(settings.catalog_path))
    connection.pragma("user_version", 999)
    connection.close()
    with pytest.raises(StartError, match="newer"):
        SqliteCatalog(settings.catalog_path, load_secret(settings))


FULL = """
import resource, signal, sys
from pathlib import Path
from headwater.catalog.base import NewSignal
from headwater.catalog.sqlite import SqliteCatalog
from headwater.errors import UnavailableError

catalog = SqliteCatalog(Path(sys.argv[1]), b"x" * 32)
workspace, key = catalog.create_workspace("me", "acme", preset=None)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
size = Path(sys.argv[1] + "-wal").stat().st_size
resource.setrlimit(resource.RLIMIT_FSIZE, (size + 100_000, resource.RLIM_INFINITY))
made, refused, schema = [], 0, {"$comment": "x" * 2000}
for n in range(200):
    try:
        new = NewSignal(name=f"s{n}", type="event", schema=schema)
        made.append(catalog.create_signal("me", workspace.id, new).slug)
    except UnavailableError:
        refused += 1
assert made and refused, (len(made), refused)
assert set(catalog.signals_of(workspace.id)) == set(made)
assert catalog.principal(key)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
made.append(catalog.create_signal("me", workspace.id, NewSignal(name="after", type="event")).slug)
again = SqliteCatalog(Path(sys.argv[1]), b"x" * 32)
assert set(again.signals_of(workspace.id)) == set(made)
"""


def test_a_full_disk_refuses_changes_and_loses_none(tmp_path: Path) -> None:
    """A file size limit stands for the disk: writes beyond it fail as they do there."""
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path / "catalog.db")], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr


@files
def test_a_locked_catalog_is_unavailable_and_still_answers(
    catalog: Catalog, workspace: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    import apsw

    holder = apsw.Connection(str(settings.catalog_path))
    holder.execute("BEGIN IMMEDIATE")
    begun = time.monotonic()
    with pytest.raises(UnavailableError):
        catalog.create_key(ME, workspace, "k", frozenset(("read",)))
    assert time.monotonic() - begun < 10
    assert catalog.principal(new_key()) is None
    holder.execute("ROLLBACK")
    holder.close()
    assert catalog.create_key(ME, workspace, "k", frozenset(("read",)))


def test_principal_is_fast(catalog: Catalog) -> None:
    _, key = catalog.create_workspace(ME, "acme")
    begun = time.process_time()
    for _ in range(20_000):
        assert catalog.principal(key)
    assert time.process_time() - begun < 0.4, "20 µs a key would be ten times what it takes"


@files
def test_nothing_is_left_lying_about(catalog: Catalog, settings: Settings) -> None:
    catalog.first_start(settings)
    names = {file.name for file in settings.data_dir.iterdir()}
    assert names - {"catalog.db-wal", "catalog.db-shm"} == {"catalog.db", "key-secret", "credentials.json"}
    assert os.access(settings.catalog_path, os.W_OK)


# --- a doctor's view ---------------------------------------------------------------------------------------------


def fill(catalog: Catalog) -> None:
    """Two keys beside the first, one rotated; a signal beside the preset's, with a version, and archived."""
    workspace, _ = catalog.create_workspace(ME, "acme")
    made, _ = catalog.create_key(ME, workspace.id, "spare", frozenset(("read",)))
    signal = catalog.create_signal(ME, workspace.id, NewSignal(name="seen", type="event"))
    catalog.add_version(ME, workspace.id, signal.slug, {"required": ["a"]})
    catalog.archive_signal(ME, workspace.id, signal.slug)
    catalog.rotate_key(ME, workspace.id, made.id, 0)


def check(view: Examined, secret: bytes) -> None:
    """Tells what `fill` made."""
    contents = view.contents()
    assert [each.name for each in contents.workspaces] == ["acme"]
    assert (len(contents.keys), len(contents.signals), len(contents.versions)) == (3, 17, 17)
    actions = [each.action for each in contents.made]
    assert actions == ["workspace.create", "key.create", "signal.create", "signal.publish", "key.rotate"]
    assert view.faults(quick=False) == view.faults(quick=True) == []
    assert view.chain(secret) == Chain(6, []) and view.chain(b"x" * 32).faults
    view.close()


def test_a_view_tells_everything(catalog: Catalog, adapter: Adapter, settings: Settings) -> None:
    fill(catalog)
    check(adapter.view(), load_secret(settings))


@files
def test_a_view_touches_nothing(reopen: Open, settings: Settings, tmp_path: Path) -> None:
    catalog = reopen()
    fill(catalog)
    catalog.close()
    before = {each.name: each.read_bytes() for each in settings.data_dir.iterdir()}
    check(SqliteCatalogView(settings.catalog_path, tmp_path), load_secret(settings))
    assert {each.name: each.read_bytes() for each in settings.data_dir.iterdir()} == before


@files
def test_a_view_of_a_damaged_or_lost_catalog_says_so(reopen: Open, settings: Settings, tmp_path: Path) -> None:
    reopen().close()
    settings.catalog_path.write_bytes(b"this is no database at all" * 100)
    with pytest.raises(CorruptionError):
        SqliteCatalogView(settings.catalog_path, tmp_path)
    settings.catalog_path.unlink()
    with pytest.raises(CorruptionError, match="gone"):
        SqliteCatalogView(settings.catalog_path, tmp_path)
