"""Signals that come with headwater. `ecommerce` is the catalogue of the BIK Send Events document; `segment` are the
calls of Segment's API that name no event."""

import re

from headwater.catalog.base import NewSignal

_NUMBERS = ("itemPrice", "cartValue", "totalNumberOfItems")
"""Numbers wherever they occur, required or not (source: the document's samples)."""

ECOMMERCE: dict[str, tuple[str, ...]] = {
    "abandonedCartCreated": ("cartValue", "cartId", "totalNumberOfItems", "customerId"),
    "customerCreated": (),
    "ordered": ("orderId",),
    "purchasedAProduct": ("productId", "orderId"),
    "catalogViewed": ("catalogId",),
    "productViewed": ("productId", "variantId"),
    "addToCart": ("productId", "variantId"),
    "removeFromCart": ("productId", "variantId"),
    "addedToWishlist": ("productId", "variantId"),
    "keywordSearched": ("keyword",),
    "usedAPromoCode": ("promoCode",),
    "orderCancelled": ("orderId",),
    "abandonedAProduct": ("productId",),
    "lineItemShippingUpdate": ("orderId", "productId", "shippingStatus"),
    "pageViewed": (),
    "optedOut": (),
}
"""Event names and the properties they require, in the order in which faults are told."""


def _schema(required: tuple[str, ...]) -> dict[str, object]:
    """What is named is a string or one of the numbers; further properties are open."""
    names = dict.fromkeys((*required, *_NUMBERS))
    properties = {name: {"type": "number" if name in _NUMBERS else "string"} for name in names}
    return {"type": "object", "required": list(required), "properties": properties}


def _title(slug: str) -> str:
    """`addedToWishlist` as `Added to wishlist`."""
    return re.sub(r"(?<!^)([A-Z])", r" \1", slug).capitalize()


PRESETS: dict[str, tuple[NewSignal, ...]] = {
    "ecommerce": tuple(
        NewSignal(
            name=_title(slug),
            slug=slug,
            type="event",
            rate_limit=None,
            enforcement="reject",
            preset="ecommerce",
            schema=_schema(required),
        )
        for slug, required in ECOMMERCE.items()
    ),
    "segment": tuple(
        NewSignal(name=slug.capitalize(), slug=slug, type="event", rate_limit=None, preset="segment")
        for slug in ("identify", "page", "screen", "group", "alias")
    ),
}

BUILT_IN: dict[str, dict[str, NewSignal]] = {"segment": {str(new.slug): new for new in PRESETS["segment"]}}
"""By dialect and slug, the signals that are made in a workspace when they are first sent to it."""
