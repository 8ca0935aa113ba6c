"""The file of claims as a doctor sees it: read as it stands, never written."""

from pathlib import Path

from headwater.readonly import faults_of, look_at, told


class SqliteClaimsView:
    """`scratch` as `readonly.look_at` has it. Raises CorruptionError for a file that is damaged."""

    def __init__(self, path: Path, scratch: Path | None) -> None:
        self._path = path
        self._connection = look_at(path, scratch)

    def position(self) -> int:
        """Of the log, before which all claims are here."""
        with told(self._path):
            return int(self._connection.execute("SELECT position FROM log").get)

    def count(self) -> int:
        with told(self._path):
            return int(self._connection.execute("SELECT count(*) FROM claims").get)

    def faults(self, quick: bool) -> list[str]:
        """What SQLite finds wrong in the file."""
        return faults_of(self._connection, quick)

    def close(self) -> None:
        self._connection.close()
