"""One customer's ninety days in the shop: visits, carts, orders, parcels, and what the shop's own tools note."""

from collections.abc import Iterator
from itertools import accumulate
from random import Random
from typing import Any

from headwater.clock import DAY_MS
from headwater.demo.base import HOUR_MS, Sent, Span, crm_event, dice, moment, shop_event
from headwater.demo.goods import KEYWORDS, PROMOS, Product, looked_at, pick
from headwater.demo.people import HABITS, Customer, customer

_SALE_DAY = 60
"""From this day of the story on, for three days, everybody buys more."""
_TIERS = ((1, "bronze"), (3, "silver"), (6, "gold"))
"""Orders, and the tier that so many make."""

Cart = list[tuple[Product, str]]


def life(seed: str, number: int, tag: str, span: Span) -> list[Sent]:
    """Everything of the customer of that number, in no order."""
    random = dice(f"{seed} customer {number}")
    return _Life(random, customer(random, number, tag), f"{number}{tag}", span).lived()


class _Life:
    """A customer's events as they come to be."""

    def __init__(self, random: Random, who: Customer, number: str, span: Span) -> None:
        self._random = random
        self._who = who
        self._number = number
        self._span = span
        self._orders = 0
        self._known = False
        """Whether the shop has their address and number together: from the first order on."""
        self._sent: list[Sent] = []

    def lived(self) -> list[Sent]:
        for visit, ms in enumerate(self._visits()):
            if visit == 0 and self._who.registered:
                self._register(ms)
            self._visit(ms)
        if self._sent and self._random.random() < 0.04:
            self._note(max(sent.ms for sent in self._sent) + HOUR_MS, "optedOut", {"channel": "email"})
        return [sent for sent in self._sent if sent.ms <= self._span.end_ms]

    def _visits(self) -> Iterator[int]:
        """When they come: irregularly, from some day of the story on."""
        habit, random = HABITS[self._who.segment], self._random
        begin, end = self._span
        last = begin + habit.until * (end - begin)
        ms: float = begin + random.random() ** 2 * (last - begin)
        left = habit.visits or 1000
        while ms < last and left:
            yield moment(random, int(ms) // DAY_MS * DAY_MS)
            ms += max(DAY_MS, random.expovariate(1 / habit.pause_days) * DAY_MS)
            left -= 1

    # --- a visit ---------------------------------------------------------------------------------------------------

    def _visit(self, begin: int) -> None:
        random, cart = self._random, Cart()
        times = self._clicks(begin)
        self._note(next(times), "pageViewed", {"page": random.choice(("/", "/new", "/sale")), "device": self._device()})
        if random.random() < 0.3:
            self._note(next(times), "keywordSearched", {"keyword": random.choice(KEYWORDS)})
        for _ in range(random.choice((1, 1, 2, 3, 4))):
            self._look(times, cart)
        if cart and random.random() < self._eagerness(begin):
            self._order(next(times), cart)
        elif cart and random.random() < 0.6:
            self._abandon(next(times) + HOUR_MS, cart)

    def _clicks(self, begin: int) -> Iterator[int]:
        """A click every few seconds or minutes."""
        return accumulate(iter(lambda: self._random.randrange(4_000, 150_000), None), initial=begin)

    def _look(self, times: Iterator[int], cart: Cart) -> None:
        random, (item, variant) = self._random, pick(self._random)
        data = looked_at(item, variant)
        if random.random() < 0.25:
            catalog = {"catalogId": f"cat-{item.category}", "catalogName": item.category.capitalize()}
            self._note(next(times), "catalogViewed", catalog)
        self._note(next(times), "productViewed", data)
        if random.random() < 0.12:
            self._note(next(times), "addedToWishlist", data)
        if random.random() < 0.25 + HABITS[self._who.segment].buys:
            self._note(next(times), "addToCart", data)
            cart.append((item, variant))
            if random.random() < 0.08:
                self._note(next(times), "removeFromCart", data)
                cart.pop()

    def _eagerness(self, ms: int) -> float:
        """The chance that a filled cart is bought."""
        sale = _SALE_DAY <= (ms - self._span.begin_ms) // DAY_MS < _SALE_DAY + 3
        return min(0.95, HABITS[self._who.segment].buys * (2.5 if sale else 1.5))

    def _abandon(self, ms: int, cart: Cart) -> None:
        value = round(sum(item.price for item, _ in cart), 2)
        facts = {"cartId": f"cart-{self._number}-{ms}", "customerId": f"C{self._number}"}
        self._note(ms, "abandonedCartCreated", facts | {"cartValue": value, "totalNumberOfItems": len(cart)})
        item = cart[0][0]
        self._note(ms, "abandonedAProduct", {"productId": item.id, "productName": item.name, "itemPrice": item.price})

    # --- an order and what follows it ------------------------------------------------------------------------------

    def _order(self, ms: int, cart: Cart) -> None:
        random, self._known = self._random, True
        self._orders += 1
        order = f"order-{self._number}-{self._orders}"
        discount = self._discount(ms, order)
        prices = [round(item.price * discount, 2) for item, _ in cart]
        total, facts = round(sum(prices), 2), {"orderId": order, "customerId": f"C{self._number}"}
        self._note(ms, "ordered", facts | {"total": total, "items": len(cart), "currency": "INR"})
        for (item, variant), price in zip(cart, prices, strict=True):
            self._note(ms + 1, "purchasedAProduct", looked_at(item, variant) | facts | {"itemPrice": price})
        self._tell_tools(ms + 1000, order, total)
        if random.random() < 0.05:
            reason = random.choice(("changed my mind", "too late", "wrong size"))
            self._note(ms + random.randrange(DAY_MS), "orderCancelled", {"orderId": order, "reason": reason})
        else:
            self._ship(ms, order, cart[0][0])

    def _discount(self, ms: int, order: str) -> float:
        if self._random.random() > 0.2:
            return 1.0
        self._note(ms - 500, "usedAPromoCode", {"promoCode": self._random.choice(PROMOS), "orderId": order})
        return 0.9

    def _ship(self, ms: int, order: str, item: Product) -> None:
        for status, days in (("shipped", 1), ("delivered", 4)):
            data = {"orderId": order, "productId": item.id, "shippingStatus": status}
            self._note(ms + int(days * DAY_MS * self._random.uniform(0.6, 1.4)), "lineItemShippingUpdate", data)

    def _tell_tools(self, ms: int, order: str, total: float) -> None:
        """The shop's books and its loyalty programme send in the other dialect, about the e-mail address or phone."""
        type_, id_ = self._main()
        self._sent.append(crm_event(ms, "order-value", type_, id_, {"total": total, "order": order}))
        for orders, tier in _TIERS:
            if orders == self._orders:
                self._sent.append(crm_event(ms, "loyalty-tier", type_, id_, {"tier": tier}))

    # --- the customer ----------------------------------------------------------------------------------------------

    def _register(self, ms: int) -> None:
        who = self._who
        data = {"city": who.city, "source": who.source, "customerId": f"C{self._number}"}
        self._note(ms - 60_000, "customerCreated", data)

    def _device(self) -> str:
        return self._random.choice(("phone", "phone", "laptop", "tablet"))

    def _main(self) -> tuple[str, str]:
        emails, phone = self._who.emails, self._who.phone
        return ("email", emails[0]) if emails else ("phone", phone or "")

    def _note(self, ms: int, event: str, data: dict[str, Any]) -> None:
        self._sent.append(shop_event(self._span, ms, self._name(), self._contact(), event, data))

    def _name(self) -> str | None:
        """Known once they ordered or registered."""
        return self._who.name if self._known or self._who.registered else None

    def _contact(self) -> dict[str, str]:
        """Before their first order they are seen by one address at a time; with it the shop learns that these belong
        together."""
        emails, phone = self._who.emails, self._who.phone
        if not emails or not phone:
            return {"email": emails[0]} if emails else {"phoneNumber": phone or ""}
        email = self._random.choice(emails)
        if self._known:
            return {"email": email, "phoneNumber": phone}
        return {"email": email} if self._random.random() < 0.6 else {"phoneNumber": phone}
