"""A headwater that was installed with another build of the dashboard, or without it."""

from collections.abc import Mapping
from pathlib import Path

import headwater

PAGE: Mapping[str, bytes] = {"index.html": b'<!doctype html><meta name="csp-nonce" content="__CSP_NONCE__">'}
"""The least that counts as a dashboard."""


def installed(folder: Path, build: Mapping[str, bytes]) -> dict[str, str]:
    """The environment of a headwater that is this one but for its dashboard; an empty `build`: it was left out."""
    package = folder / "headwater"
    package.mkdir()
    for each in Path(headwater.__file__).parent.iterdir():
        if each.name not in ("dashboard", "__pycache__"):
            (package / each.name).symlink_to(each)
    for name, body in build.items():
        path = package / "dashboard" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
    return {"PYTHONPATH": str(folder)}
