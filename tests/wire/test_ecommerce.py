"""The catalogue that the preset `ecommerce` gives a workspace (source: design 3, BIK)."""

from typing import Any

import pytest

from wire.client import Client
from wire.languages import BIK

REQUIRED: dict[str, dict[str, type]] = {
    "abandonedCartCreated": {"cartValue": float, "cartId": str, "totalNumberOfItems": float, "customerId": str},
    "customerCreated": {},
    "ordered": {"orderId": str},
    "purchasedAProduct": {"productId": str, "orderId": str},
    "catalogViewed": {"catalogId": str},
    "productViewed": {"productId": str, "variantId": str},
    "addToCart": {"productId": str, "variantId": str},
    "removeFromCart": {"productId": str, "variantId": str},
    "addedToWishlist": {"productId": str, "variantId": str},
    "keywordSearched": {"keyword": str},
    "usedAPromoCode": {"promoCode": str},
    "orderCancelled": {"orderId": str},
    "abandonedAProduct": {"productId": str},
    "lineItemShippingUpdate": {"orderId": str, "productId": str, "shippingStatus": str},
    "pageViewed": {},
    "optedOut": {},
}
PROPERTIES = [(name, prop) for name, props in REQUIRED.items() for prop in props]
NUMBERS = [(name, prop) for name, prop in PROPERTIES if REQUIRED[name][prop] is float]


def good(name: str) -> dict[str, Any]:
    """The smallest event of this name that passes."""
    return {prop: 1.5 if kind is float else "x" for prop, kind in REQUIRED[name].items()}


def send(client: Client, name: str, properties: dict[str, Any]) -> Any:
    answer = client.post(BIK.batch, BIK.batch_of(BIK.event(eventName=name, eventProperties=properties)))
    if answer.status == 200:
        return answer.json
    BIK.refusal(answer)
    assert answer.status == 400, answer
    return answer.json["errors"]


@pytest.mark.parametrize("name", REQUIRED)
def test_required_properties_are_enough(client: Client, name: str) -> None:
    assert send(client, name, good(name)) == {"status": 200, "success": True}


@pytest.mark.parametrize("name", REQUIRED)
def test_further_properties_are_open(client: Client, name: str) -> None:
    more = {"Further": None, "list": [1, "x", {}], "n": 1, "b": False, "o": {"a": "b"}}
    assert send(client, name, {**good(name), **more}) == {"status": 200, "success": True}


@pytest.mark.parametrize(("name", "prop"), PROPERTIES)
def test_missing_property(client: Client, name: str, prop: str) -> None:
    properties = good(name)
    del properties[prop]
    path = f"eventProperties.{prop}"
    wanted = [{"message": f"'{path}' is required", "index": 0, "path": f"events[0].{path}"}]
    assert send(client, name, properties) == wanted


@pytest.mark.parametrize("wrong", ["1", True, [], {}], ids=repr)
@pytest.mark.parametrize(("name", "prop"), [*NUMBERS, ("purchasedAProduct", "itemPrice")])
def test_not_a_number(client: Client, name: str, prop: str, wrong: Any) -> None:
    path = f"eventProperties.{prop}"
    wanted = [{"message": f"'{path}' must be a number", "index": 0, "path": f"events[0].{path}"}]
    assert send(client, name, {**good(name), prop: wrong}) == wanted


@pytest.mark.parametrize("wrong", [1, True, [], {}], ids=repr)
@pytest.mark.parametrize(("name", "prop"), [pair for pair in PROPERTIES if pair not in NUMBERS])
def test_not_a_string(client: Client, name: str, prop: str, wrong: Any) -> None:
    path = f"eventProperties.{prop}"
    wanted = [{"message": f"'{path}' must be a string", "index": 0, "path": f"events[0].{path}"}]
    assert send(client, name, {**good(name), prop: wrong}) == wanted


def test_every_fault_of_an_event(client: Client) -> None:
    errors = send(client, "abandonedCartCreated", {"cartValue": "1", "totalNumberOfItems": None})
    paths = {error["path"].removeprefix("events[0].eventProperties.") for error in errors}
    assert paths == {"cartValue", "cartId", "totalNumberOfItems", "customerId"}


def test_no_more_than_100_faults_are_listed(client: Client) -> None:
    events = [BIK.event(eventName="abandonedCartCreated")] * 100
    answer = client.post(BIK.batch, BIK.batch_of(*events))
    assert answer.status == 400
    errors = answer.json["errors"]
    assert len(errors) == 100
    assert [error["index"] for error in errors] == [n // 4 for n in range(100)]


def test_the_catalogue_is_that_and_nothing_else(client: Client) -> None:
    signals = client.call("GET", "/v1/signals?limit=1000").json["data"]
    assert {signal["slug"] for signal in signals} == set(REQUIRED)
    assert all(signal["rate_limit"] is None and signal["enforcement"] == "reject" for signal in signals)
