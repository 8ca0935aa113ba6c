"""The routes of both roles, for the OpenAPI document."""

from typing import Any

from fastapi import APIRouter
from starlette.routing import BaseRoute

from headwater.web import backfills, cohorts, erasures, measures, profiles, query, rejected, trace


def described(*own: APIRouter) -> list[BaseRoute]:
    """The routes of both roles: what the engine answers is reached through the gateway."""
    nobody: Any = None  # described here, answered in the engine
    asking = (
        query.router(nobody),
        profiles.router(nobody),
        measures.router(nobody),
        cohorts.router(nobody),
        backfills.asking(nobody),
        erasures.router(nobody),
        rejected.asking(nobody),
        trace.router(nobody),
    )
    return [route for router in (*own, *asking) for route in router.routes]
