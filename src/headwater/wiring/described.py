"""The OpenAPI document of both roles: what the engine answers is reached through the gateway."""

from typing import Any

from headwater.web import (
    activity,
    backfills,
    checks,
    cohorts,
    destinations,
    drafts,
    erasures,
    limits,
    live,
    manage,
    measures,
    openapi,
    profiles,
    query,
    rejected,
    signin,
    status,
    trace,
    webhooks,
)


def routes() -> list[str]:
    """The paths of the API, as `/v1/events/{id}`."""
    return [*document()["paths"]]


def document() -> dict[str, Any]:
    """The whole API as an OpenAPI 3.1 document. It takes half a second."""
    nobody: Any = None  # the routes are described here, and answered in the roles
    routers = (
        manage.router(nobody),
        limits.router(nobody, nobody),
        signin.router(nobody, nobody, nobody, nobody, nobody),
        backfills.changing(nobody, nobody),
        rejected.changing(nobody, nobody, nobody),
        drafts.changing(nobody, nobody, nobody, nobody),
        status.router(nobody, nobody, nobody, nobody, nobody),
        query.router(nobody),
        profiles.router(nobody, nobody, nobody),
        measures.router(nobody),
        cohorts.router(nobody),
        backfills.asking(nobody),
        erasures.router(nobody),
        rejected.asking(nobody),
        trace.router(nobody),
        activity.router(nobody),
        destinations.router(nobody),
        live.router(nobody, nobody),
        checks.router(nobody),
        webhooks.router(nobody),
    )
    return openapi.document([route for router in routers for route in router.routes])
