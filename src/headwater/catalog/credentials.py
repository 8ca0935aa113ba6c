"""The two small secret files beside the catalog: what keys the hashes of the keys, and the first key.

Both are made once, durable before they can be seen under their name, and readable by their owner alone.
"""

import logging
import os
import secrets
from hashlib import blake2b
from pathlib import Path

import msgspec

from headwater.catalog.base import ALL_SCOPES, DEFAULT_WORKSPACE, Catalog, Credentials
from headwater.config import Settings
from headwater.durable import make_directory, sync
from headwater.errors import ConflictError, StartError
from headwater.rules.ids import key_is_wellformed, new_key

logger = logging.getLogger("headwater.catalog")

_SECRET_BYTES = 32


def load_secret(settings: Settings) -> bytes:
    """The 32 bytes of DATA_DIR/key-secret, made when there is no catalog yet.

    StartError when the file is gone or cut while there is a catalog: a new one would refuse every key there is.
    """
    path = settings.secret_path
    try:
        if not path.exists() and not settings.catalog_path.exists():
            make_directory(settings.data_dir)
            _make_once(path, secrets.token_bytes(_SECRET_BYTES))
        secret = path.read_bytes()
    except OSError as error:
        raise StartError(f"cannot read {path}, without which no key can be checked: {error.strerror}") from error
    if len(secret) != _SECRET_BYTES:
        raise StartError(f"{path} must hold {_SECRET_BYTES} bytes, not {len(secret)}: restore it from a backup")
    return secret


def derived(secret: bytes, label: bytes) -> bytes:
    """A key of its own for another purpose (32 bytes); `label` names that, in at most 16 bytes."""
    return blake2b(key=secret, person=label, digest_size=32).digest()


def first_start(catalog: Catalog, settings: Settings) -> Credentials | None:
    """Sees to it that there is a workspace `default`, and to its first key in credentials.json.

    The file is durable before the catalog knows its key, and a key found there by a start without the workspace is
    taken: so a crash in between never leaves a workspace whose key nobody has. None when the workspace is there and
    the file is gone: no key is made without being asked for; and when another gateway made it meanwhile.
    """
    path = settings.credentials_path
    kept = read_credentials(path)
    if all(workspace.name != DEFAULT_WORKSPACE for workspace in catalog.workspaces()):
        key = kept.api_key if kept and key_is_wellformed(kept.api_key) else new_key()
        kept = Credentials(DEFAULT_WORKSPACE, key, url_of(settings))
        write_credentials(path, kept)
        try:
            catalog.create_workspace("first-start", DEFAULT_WORKSPACE, scopes=ALL_SCOPES, key=key)
        except ConflictError:
            if catalog.principal(key) is not None:
                return kept  # another gateway was given the same file, and was faster
            path.unlink()  # of a key that never was: the one who came first has the good one
            return None
    elif kept is None:
        logger.warning("%s is gone; `headwater keys create --data-dir %s` makes a new key", path, settings.data_dir)
    elif kept.url != url_of(settings):
        kept = msgspec.structs.replace(kept, url=url_of(settings))
        write_credentials(path, kept)
    return kept


def url_of(settings: Settings) -> str:
    """Where clients reach the server: where the operator says, else where one on this machine does."""
    if settings.public_url:
        return settings.public_url
    scheme, host = "https" if settings.tls_cert else "http", settings.host
    if host in ("", "0.0.0.0", "::"):  # noqa: S104  compared, not bound
        host = "127.0.0.1"
    return f"{scheme}://[{host}]:{settings.port}" if ":" in host else f"{scheme}://{host}:{settings.port}"


def read_credentials(path: Path) -> Credentials | None:
    """None when there is no such file, or nothing of use in it."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Credentials)
    except FileNotFoundError:
        return None
    except msgspec.MsgspecError as error:
        logger.warning("%s is not what headwater wrote there: %s", path, error)
        return None


def write_credentials(path: Path, credentials: Credentials) -> None:
    """Replaces the file as a whole."""
    text = msgspec.json.format(msgspec.json.encode(credentials), indent=2) + b"\n"
    fresh = _written(path, text)
    fresh.replace(path)
    sync(path.parent)


def _make_once(path: Path, data: bytes) -> None:
    """Makes the file unless another process just did."""
    fresh = _written(path, data)
    try:
        os.link(fresh, path)
    except FileExistsError:
        pass
    finally:
        fresh.unlink()
    sync(path.parent)


def _written(path: Path, data: bytes) -> Path:
    """The data, durable in a file beside `path`."""
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    return fresh
