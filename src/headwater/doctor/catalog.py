"""The catalog held against itself: who belongs to whom, and whether all that was ever made is still there."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

from headwater.catalog.base import Credentials, Key
from headwater.catalog.examined import Chain, Contents
from headwater.catalog.preset import PRESETS
from headwater.doctor.report import Check, fault, ok, some, unchecked, warning
from headwater.errors import InvalidError
from headwater.rules import schema as schemas
from headwater.rules.ids import key_digest, key_is_wellformed

_RESTORE = "stop headwater, restore catalog.db and key-secret from the same backup"
_SECRET_BYTES = 32
_MOST_TOLD = 20


def file(faults: Sequence[str]) -> Check:
    """What SQLite says of its own file."""
    if faults:
        return fault("catalog.file", f"SQLite finds: {some(faults)}", _RESTORE, faults=list(faults))
    return ok("catalog.file", "SQLite finds its file and all references in it whole")


def rows(contents: Contents) -> Check:
    """Every row belongs to something, and no name is there twice."""
    found = [*_orphans(contents), *_twice(contents), *_gaps(contents)]
    counts = {
        "workspaces": len(contents.workspaces),
        "keys": len(contents.keys),
        "signals": len(contents.signals),
        "versions": len(contents.versions),
        "backfills": len(contents.backfills),
    }
    said = ", ".join(f"{count} {name}" for name, count in counts.items())
    if found:
        return fault("catalog.rows", f"{said}: {some(found)}", _RESTORE, **counts, wrong=found)
    return ok("catalog.rows", f"{said}; each belongs to one that is there", **counts)


def _orphans(contents: Contents) -> Iterator[str]:
    workspaces = {each.id for each in contents.workspaces}
    signals = {each.id for each in contents.signals}
    for key in contents.keys:
        if key.workspace not in workspaces:
            yield f"key {key.id} is of the workspace {key.workspace}, which is not there"
    for signal in contents.signals:
        if signal.workspace not in workspaces:
            yield f"signal {signal.id} is of the workspace {signal.workspace}, which is not there"
    for backfill in contents.backfills:
        if backfill.workspace not in workspaces:
            yield f"backfill {backfill.id} is of the workspace {backfill.workspace}, which is not there"
    for lost in sorted({each.signal_id for each in contents.versions} - signals):
        yield f"there are schema versions of {lost}, which is not there"


def _twice(contents: Contents) -> Iterator[str]:
    slugs = Counter((each.workspace, each.slug) for each in contents.signals)
    names = Counter(each.name for each in contents.workspaces)
    digests = Counter(each.digest for each in contents.keys)
    yield from (f"{times} signals of {of} have the slug '{slug}'" for (of, slug), times in slugs.items() if times > 1)
    yield from (f"{times} workspaces have the name '{name}'" for name, times in names.items() if times > 1)
    yield from (f"{times} keys have one hash" for times in digests.values() if times > 1)


def _gaps(contents: Contents) -> Iterator[str]:
    numbers: dict[str, list[int]] = {}
    for each in contents.versions:
        numbers.setdefault(each.signal_id, []).append(each.version)
    for signal_id, found in numbers.items():
        if sorted(found) != list(range(1, len(found) + 1)):
            yield f"the schema versions of {signal_id} are {some(sorted(found))}, not 1 to {len(found)}"


def made(contents: Contents) -> Check:
    """Nothing in the catalog is ever removed, so all that the audit says was made must be there; and nothing is made
    without a word in the audit."""
    lost, unlike, untold = [*_lost(contents)], [*_lost_of_presets(contents)], [*_untold(contents)]
    said = f"{len(contents.made)} entries of the audit"
    if untold:
        advice = "somebody took entries out of the audit, or wrote to catalog.db by hand: see catalog.chain"
        return fault(
            "catalog.audit", f"{said}: {some(untold + lost)}", advice, entries=len(contents.made), wrong=untold
        )
    if lost:
        return fault("catalog.audit", f"{said}: {some(lost)}", _RESTORE, entries=len(contents.made), lost=lost)
    if unlike:
        advice = "if that workspace is not older than these signals, they were lost: " + _RESTORE
        return warning("catalog.audit", f"{said}: {some(unlike)}", advice, entries=len(contents.made), lost=unlike)
    return ok("catalog.audit", f"{said}; all that they say was made is there, and no more", entries=len(contents.made))


def _lost(contents: Contents) -> Iterator[str]:
    workspaces = {each.id for each in contents.workspaces}
    keys = {each.id for each in contents.keys}
    backfills = {each.id for each in contents.backfills}
    signals = {each.id: each.slug for each in contents.signals}
    latest: Counter[str] = Counter(each.signal_id for each in contents.versions)
    keyed = {each.workspace for each in contents.keys}
    for change in contents.made:
        match change.action:
            case "workspace.create":
                if change.target not in workspaces:
                    yield f"workspace {change.target} is gone"
                elif change.target not in keyed:
                    yield f"workspace {change.target} has no key left"
            case "signal.create" if change.target not in signals:
                yield f"signal {change.target} ('{change.detail.get('slug')}') is gone"
            case "signal.publish" if change.detail.get("version", 0) > latest[change.target]:
                yield f"version {change.detail['version']} of the schema of {change.target} is gone"
            case "key.create" if change.target not in keys:
                yield f"key {change.target} is gone"
            case "backfill.create" if change.target not in backfills:
                yield f"backfill {change.target} ('{change.detail.get('name')}') is gone"
            case "key.rotate" if not {change.target, change.detail.get("by")} <= keys:
                yield f"key {change.target} or the one that replaced it, {change.detail.get('by')}, is gone"


def _untold(contents: Contents) -> Iterator[str]:
    """What nothing in the audit says was made. An older headwater's audit may begin later than its catalog."""
    told = {(change.action, change.target) for change in contents.made}
    rotated = {change.detail.get("by") for change in contents.made if change.action == "key.rotate"}
    presets = {
        (change.target, change.detail.get("preset")) for change in contents.made if change.action == "workspace.create"
    }
    begun_ms = contents.made[0].at_ms if contents.made else 0
    first = {key.workspace: key.id for key in reversed(contents.keys)}
    for workspace in contents.workspaces:
        if workspace.created_ms >= begun_ms and ("workspace.create", workspace.id) not in told:
            yield f"nothing tells of workspace {workspace.id} ('{workspace.name}')"
    for key in contents.keys:
        known = ("key.create", key.id) in told or key.id in rotated or first[key.workspace] == key.id
        if key.created_ms >= begun_ms and not known:
            yield f"nothing tells of key {key.id}"
    for signal in contents.signals:
        known = ("signal.create", signal.id) in told
        known |= signal.preset is not None and (signal.workspace, signal.preset) in presets
        if signal.created_ms >= begun_ms and not known:
            yield f"nothing tells of signal {signal.id} ('{signal.slug}')"
    for backfill in contents.backfills:
        if backfill.created_ms >= begun_ms and ("backfill.create", backfill.id) not in told:
            yield f"nothing tells of backfill {backfill.id} ('{backfill.name}')"


def _lost_of_presets(contents: Contents) -> Iterator[str]:
    """A later headwater's preset may have more signals, so what is not there need not be lost."""
    there = {(each.workspace, each.slug) for each in contents.signals}
    for change in contents.made:
        preset = PRESETS.get(change.detail.get("preset") or "", ()) if change.action == "workspace.create" else ()
        for new in preset:
            if new.slug is not None and (change.target, new.slug) not in there:
                yield f"'{new.slug}', a signal of the preset, is not in {change.target}"


def chain(examine: Callable[[bytes], Chain], secret: bytes | None) -> Check:
    """The audit is what was written: no row was changed, left out, put in or cut off. `examine`: by the key-secret."""
    name = "catalog.chain"
    if secret is None or len(secret) != _SECRET_BYTES:
        return unchecked(name, "it takes the key-secret")
    found = examine(secret)
    said, broken = f"{found.rows} entries of the audit", len(found.faults)
    if not broken:
        return ok(name, f"{said}; their hashes follow from each other to the last one", entries=found.rows)
    if 0 < found.rows <= broken:
        return fault(name, f"{said}: none of their hashes fits, so key-secret is another", _RESTORE, entries=found.rows)
    advice = (
        "somebody changed catalog.db by hand: keep a copy, find out who can write to it, and hold the audit against "
        "that of a backup, for it cannot be mended"
    )
    wrong = list(found.faults[:_MOST_TOLD])
    return fault(name, f"{said}: {some(found.faults)}", advice, entries=found.rows, broken=broken, wrong=wrong)


def compiled(contents: Contents) -> Check:
    """Every published schema can be held against an event."""
    broken = []
    for each in contents.versions:
        try:
            schemas.compile(each.schema)
        except InvalidError as error:
            broken.append(f"{each.signal_id} version {each.version}: {error}")
    said = f"{len(contents.versions)} schema versions"
    if broken:
        return fault("catalog.schemas", f"{said}: {some(broken)}", _RESTORE, broken=broken)
    return ok("catalog.schemas", f"{said}; each compiles", versions=len(contents.versions))


def secrets(contents: Contents, secret: bytes | None, kept: Credentials | None, now_ms: int) -> Check:
    """Whether the hashes of the keys can be checked, shown by the one key whose text is at hand."""
    name = "catalog.secret"
    if secret is None:
        return fault(name, "key-secret is gone: no key can be checked", _RESTORE)
    if len(secret) != _SECRET_BYTES:
        return fault(name, f"key-secret has {len(secret)} bytes, not {_SECRET_BYTES}: no key can be checked", _RESTORE)
    if kept is None:
        advice = "`headwater keys create --data-dir …` makes a key and the file, also while the server runs"
        return warning(name, "credentials.json is gone or empty; whether key-secret fits cannot be told", advice)
    if not key_is_wellformed(kept.api_key):
        return fault(name, "credentials.json holds no key that headwater made", "remove it; " + _MAKE_KEY)
    found = _known(contents.keys, key_digest(secret, kept.api_key))
    if found is None:
        said = (
            f"none of {len(contents.keys)} keys is that of credentials.json: its row is gone or key-secret is another"
        )
        return fault(name, said, f"{_RESTORE}; if only this key is lost, remove credentials.json and {_MAKE_KEY}")
    ended = min([ms for ms in (found.revoked_ms, found.expires_ms) if ms is not None], default=None)
    if ended is not None and ended <= now_ms:
        return warning(name, f"the key in credentials.json, {found.id}, has ended", f"remove the file; {_MAKE_KEY}")
    return ok(name, f"key-secret fits: it knows the key in credentials.json as {found.id}", key=found.id)


_MAKE_KEY = "`headwater keys create --offline --data-dir …` makes a new key"


def _known(keys: Iterable[Key], digest: bytes) -> Key | None:
    return next((key for key in keys if key.digest == digest), None)
