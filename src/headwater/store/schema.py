"""The numbered files of `store/migrations`: what makes a store, and brings an older one up to date."""

from importlib.resources import files


def migrations() -> list[tuple[int, str, str]]:
    """Number, name and text of each, in order."""
    found = (files("headwater.store") / "migrations").iterdir()
    scripts = sorted((file.name, file.read_text()) for file in found if file.name.endswith(".sql"))
    return [(int(name.split("_", 1)[0]), name, text) for name, text in scripts]


def version() -> int:
    """Of the store that this headwater makes: the number of the last."""
    return migrations()[-1][0]


def statements(text: str) -> list[str]:
    """Of a migration: each ends at a line's end by a semicolon; a comment is a line of its own."""
    code = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("--"))
    return [statement for statement in code.split(";\n") if statement.strip()]
