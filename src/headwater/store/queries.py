"""The texts of `store/sql`: named queries, and templates that `store.compile` fills."""

from functools import cache
from importlib.resources import files


@cache
def sql(name: str) -> str:
    """The text of `store/sql/NAME.sql`."""
    return (files("headwater.store") / "sql" / f"{name}.sql").read_text()
