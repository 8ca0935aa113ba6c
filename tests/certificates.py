"""Certificates for tests, made by the `openssl` command."""

import subprocess
from pathlib import Path
from typing import NamedTuple

from tools import need


class Pair(NamedTuple):
    """A self-signed certificate for 127.0.0.1 and its key, as PEM files."""

    cert: Path
    key: Path

    @property
    def options(self) -> tuple[str, ...]:
        return "--tls-cert", str(self.cert), "--tls-key", str(self.key)


KINDS = {"ec": ("ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"), "rsa": ("rsa:2048",)}


def make(directory: Path, name: str = "server", kind: str = "ec", passphrase: str | None = None) -> Pair:
    """`kind`: ec or rsa. With a passphrase the key is encrypted."""
    pair = Pair(directory / f"{name}.pem", directory / f"{name}.key")
    command = [
        need("openssl"),
        "req",
        "-x509",
        "-newkey",
        *KINDS[kind],
        "-keyout",
        str(pair.key),
        "-out",
        str(pair.cert),
    ]
    command += ["-days", "2", "-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1"]
    command += ["-passout", f"pass:{passphrase}"] if passphrase else ["-nodes"]
    subprocess.run(command, check=True, capture_output=True)
    return pair
