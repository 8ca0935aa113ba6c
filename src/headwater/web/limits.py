"""How much of its rate limit each signal has left in this minute. The gateway's own: it counts them."""

from fastapi import APIRouter
from pydantic import BaseModel, Field

from headwater.catalog.base import Catalog
from headwater.clock import now_ms, to_iso
from headwater.quotas.base import Quotas
from headwater.rules.quota import reset_ms
from headwater.web.asking import errors, takes
from headwater.web.manage import Reader

TAG = "Signals"


class LimitAnswer(BaseModel):
    """One signal's window."""

    signal: str = Field(examples=["addToCart"])
    limit: int = Field(description="Events a UTC minute.", examples=[100])
    used: int = Field(
        description="Events taken in this minute; more than the limit where it was lowered meanwhile.", examples=[42]
    )
    remaining: int = Field(description="What is left of it; never below 0.", examples=[58])
    resets_at: str = Field(description="When the next minute begins.", examples=["2026-11-22T04:06:00.000Z"])


class LimitsAnswer(BaseModel):
    data: list[LimitAnswer] = Field(description="By slug.")


def router(catalog: Catalog, quotas: Quotas) -> APIRouter:
    """Used from the event loop's thread alone, as the quotas are."""
    routes = APIRouter(tags=[TAG])

    @routes.get(
        "/v1/limits",
        summary="What is left of the rate limits",
        responses=errors(400),
        dependencies=[takes()],
    )
    async def limits(who: Reader) -> LimitsAnswer:
        """Of each signal that has a limit, in the minute that runs. Signals without a limit, and archived ones, are
        left out."""
        limited = [signal for signal in catalog.signals_of(who.workspace).values() if signal.rate_limit is not None]
        window = quotas.window(now_ms())
        used = await quotas.used([signal.id for signal in limited], window)
        resets_at = to_iso(reset_ms(window))
        return LimitsAnswer(
            data=[
                LimitAnswer(
                    signal=signal.slug,
                    limit=signal.rate_limit or 0,
                    used=used[signal.id],
                    remaining=max((signal.rate_limit or 0) - used[signal.id], 0),
                    resets_at=resets_at,
                )
                for signal in sorted(limited, key=lambda signal: signal.slug)
            ]
        )

    return routes
