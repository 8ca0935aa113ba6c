"""What the shop sells."""

from itertools import product
from random import Random
from typing import Any, NamedTuple

_KINDS = (
    ("shirt", 1299.0),
    ("kurta", 1849.5),
    ("scarf", 499.0),
    ("bedsheet", 2499.0),
    ("towel", 349.5),
    ("cushion", 599.0),
    ("curtain", 1999.0),
    ("apron", 429.9),
)
_CLOTHS = (("linen", 1.4), ("cotton", 1.0), ("silk", 2.6), ("wool", 1.8))
_COLOURS = ("indigo", "marigold", "natural")
VARIANTS = ("S", "M", "L")
KEYWORDS = ("linen shirt", "gift", "silk scarf", "bedsheet king", "curtain 2m", "wool", "sale", "kurta men", "cushion")
PROMOS = ("WELCOME10", "MONSOON15", "FRIEND5", "SALE25")


class Product(NamedTuple):
    """One thing on the shelves."""

    id: str
    name: str
    category: str
    cloth: str
    price: float
    """INR."""


def _shelves() -> tuple[Product, ...]:
    made = []
    for number, ((kind, price), (cloth, factor), colour) in enumerate(product(_KINDS, _CLOTHS, _COLOURS), 1):
        name = f"{colour} {cloth} {kind}".capitalize()
        made.append(Product(f"prod-{number:03}", name, kind, cloth, round(price * factor, 2)))
    return tuple(made)


PRODUCTS = _shelves()
_POPULAR = [1 / (1 + place) ** 0.7 for place in range(len(PRODUCTS))]
"""Some are sold far more often than others."""


def pick(random: Random) -> tuple[Product, str]:
    """A product and one of its variants, popular ones more often."""
    return random.choices(PRODUCTS, _POPULAR)[0], random.choice(VARIANTS)


def looked_at(item: Product, variant: str) -> dict[str, Any]:
    """What an event says of a product that somebody looks at or takes."""
    return {
        "productId": item.id,
        "variantId": f"{item.id}-{variant}",
        "productName": item.name,
        "category": item.category,
        "itemPrice": item.price,
        "currency": "INR",
    }
