"""Query parameters that several lists have, as the OpenAPI document tells them."""

from typing import Annotated, Any

from fastapi import Query

from headwater.rules.filters import MAX_LIMIT

_MOMENT = "ISO 8601; without a zone it is UTC. A `+` is written `%2B`."


def filter_(text: str, *values: str) -> Any:
    """One that narrows a list; `values`: there are no others."""
    return Query(description=text, json_schema_extra={"enum": list(values)} if values else None)


Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT, description="The most items of a page.")]
Cursor = Annotated[str | None, Query(description="`next` of the page before.")]

# Of lists of events, and of what is made of them.
EventLimit = Annotated[int, Query(ge=1, le=MAX_LIMIT, description="Events of a page.")]
FilteredCursor = Annotated[str | None, Query(description="`next` of the page before, asked with the same filters.")]
Signal = Annotated[str | None, filter_("A signal's slug; BIK's `eventName`.")]
Backfill = Annotated[str | None, filter_("The backfill it came with: `bf_…`.")]
From = Annotated[str | None, Query(alias="from", description=f"Occurred then or later. {_MOMENT}")]
To = Annotated[str | None, Query(description=f"Occurred before then. {_MOMENT}")]
