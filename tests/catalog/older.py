"""Catalogs as earlier versions of headwater left them, filled: made by the first migrations alone."""

from pathlib import Path

import apsw

from headwater.catalog import chain, database
from headwater.rules.ids import key_digest, new_key

SECRET = b"s" * 32
KEY = new_key()
WORKSPACE, SIGNAL, GONE = "ws_K3n9QpZ1", "sig_bFyqj0qg", "sig_gone0000"

_MIGRATIONS = sorted((Path(database.__file__).parent / "migrations").glob("*.sql"))

_ROWS = """
INSERT INTO workspace (id, name, default_region, created_ms) VALUES ('ws_K3n9QpZ1', 'acme', 'IN', 1000);
INSERT INTO signal (id, workspace, slug, name, type, active, rate_limit, enforcement, aggregation, period, value,
    preset, created_ms, archived)
VALUES ('sig_bFyqj0qg', 'ws_K3n9QpZ1', 'calls', 'API calls', 'metric', 1, NULL, 'quarantine', 'sum', 'day',
    'usage.calls', NULL, 1001, 0),
    ('sig_gone0000', 'ws_K3n9QpZ1', 'gone', 'Gone', 'event', 0, 7, 'reject', NULL, NULL, NULL, NULL, 999, 1);
INSERT INTO schema_version VALUES ('sig_bFyqj0qg', 1, '{"required": ["a"]}', 1003);
INSERT INTO schema_version VALUES ('sig_bFyqj0qg', 2, '{}', 1004);
"""
_AUDIT = (
    ("first-start", "workspace.create", WORKSPACE, '{"name":"acme","preset":null}'),
    ("key_one00000", "signal.create", SIGNAL, '{"slug":"calls"}'),
    ("key_one00000", "signal.publish", SIGNAL, '{"slug":"calls","version":1}'),
    ("key_one00000", "signal.publish", SIGNAL, '{ "slug": "calls",  "version": 2, "note": "ü \\u2028 1e400" }'),
    ("key_one00000", "signal.archive", GONE, "{}"),
)
"""Oldest first: actor, action, target, detail; the fourth not as we would write it today."""


def make(path: Path, version: int) -> int:
    """A catalog that has seen the first `version` migrations; returns how many rows its audit has."""
    connection = apsw.Connection(str(path))
    connection.execute("PRAGMA journal_mode = WAL").fetchall()
    with connection:
        for script in _MIGRATIONS[:version]:
            connection.execute(script.read_text())
        connection.pragma("user_version", version)
        _fill(connection, version)
    connection.close()
    return len(_AUDIT)


def _fill(connection: apsw.Connection, version: int) -> None:
    connection.execute(_ROWS)
    connection.execute(
        "INSERT INTO key VALUES ('key_one00000', ?, ?, ?, 'first', ?, 1000, NULL, NULL)",
        (WORKSPACE, key_digest(SECRET, KEY), KEY[:7], '["admin","ingest","read"]'),
    )
    for place, row in enumerate(_AUDIT):
        connection.execute(
            "INSERT INTO audit (workspace, actor, action, target, detail, at_ms) VALUES (?, ?, ?, ?, ?, ?)",
            (WORKSPACE, *row, 1000 + place),
        )
    if version >= 2:
        connection.execute("UPDATE audit SET address = '203.0.113.7' WHERE id = 2")
    if version >= 3:
        connection.execute("UPDATE workspace SET never_connect = '[\"email:no@x.example\"]', max_identities = 7")
    if version >= 4:
        _chain(connection)


def _chain(connection: apsw.Connection) -> None:
    hash, seal = chain.BEGIN, chain.begun(SECRET)
    rows = connection.execute(
        "SELECT id, workspace, actor, action, target, detail, at_ms, address FROM audit"
    ).fetchall()
    for row in rows:
        hash = chain.hash_of(SECRET, hash, chain.row_of(row))
        seal = chain.seal_of(SECRET, seal, hash)
        connection.execute("UPDATE audit SET hash = ? WHERE id = ?", (hash, row[0]))
    connection.execute("UPDATE audit_end SET seal = ?", (seal,))
