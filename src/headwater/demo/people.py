"""Who shops: names, contacts, and how each of them behaves."""

import unicodedata
from random import Random
from typing import Literal, NamedTuple

Segment = Literal["loyal", "regular", "browser", "once", "lapsed"]


class Habit(NamedTuple):
    """What a segment does."""

    share: int
    """Of a hundred people."""
    pause_days: float
    """Between two visits, on average."""
    visits: int | None
    """At most; None for as many as there is time for."""
    buys: float
    """The chance that a visit ends in an order."""
    until: float = 1.0
    """The share of the story after which they stay away."""


HABITS: dict[Segment, Habit] = {
    "loyal": Habit(8, 4, None, 0.4),
    "regular": Habit(25, 9, None, 0.2),
    "browser": Habit(35, 12, None, 0.03),
    "once": Habit(22, 5, 3, 0.5),
    "lapsed": Habit(10, 7, None, 0.3, until=0.5),
}

# fmt: off
_FIRST = (
    "Asha", "Rohan", "Priya", "Arjun", "Meera", "Vikram", "Ananya", "Kabir", "Ishita", "Dev", "Zoë", "Noah",
    "Emma", "Liam", "Olivia", "Jürgen", "Anke", "Björn", "Søren", "Chloé", "Élodie", "Mateo", "Lucía", "José",
    "Inês", "João", "Chidi", "Amara", "Kwame", "Yusuf", "Leila", "Omar", "Hana", "Kenji", "Yuki", "Mei", "Wei",
    "Min-jun", "Linh", "Ngọc", "Siti", "Putri", "Aroha", "Niamh", "Siobhán", "Oleksandr", "Zofia", "Łukasz",
    "Eszter", "Ioana",
)
_LAST = (
    "Rao", "Sharma", "Iyer", "Kapoor", "Nair", "Mehta", "Das", "Fernandes", "Khan", "Reddy", "Smith", "Johnson",
    "Müller", "Schäfer", "Weiß", "Åberg", "Nielsen", "Dubois", "Lefèvre", "García", "Núñez", "Silva",
    "Gonçalves", "Okafor", "Mensah", "Haddad", "Sato", "Tanaka", "Chen", "Wang", "Kim", "Nguyễn", "Trần",
    "Wibowo", "Ngata", "Murphy", "O'Brien", "Shevchenko", "Kowalska", "Nowak", "Nagy", "Popescu",
)
# fmt: on
_CITIES = ("Mumbai", "Bengaluru", "Delhi", "Chennai", "Pune", "Kochi", "Jaipur", "Berlin", "London", "São Paulo")
_WEIGHTS = (22, 18, 16, 10, 9, 6, 5, 5, 5, 4)
_SOURCES = ("search", "friend", "instagram", "newsletter", "market stall")
_HOSTS = ("mail.example", "post.example", "inbox.example")

RECEPTION = "+9122300000"
"""The phone of an office's reception, which people there give as their own: it connects who should not be."""
_RECEPTION_EVERY = 150
"""One in so many customers gives it; each ten of them work in one office."""


class Customer(NamedTuple):
    """One person who shops, by one or several addresses."""

    name: str
    segment: Segment
    emails: tuple[str, ...]
    phone: str | None
    city: str
    source: str
    registered: bool
    """Whether they made an account in the shop."""


def customer(random: Random, number: int, tag: str) -> Customer:
    """The customer of that number. `tag` keeps the people of several stories apart."""
    first, last = random.choice(_FIRST), random.choice(_LAST)
    segment = random.choices(list(HABITS), [habit.share for habit in HABITS.values()])[0]
    email = f"{_plain(first)}.{_plain(last)}{number}{tag}@{random.choice(_HOSTS)}"
    emails, phone = _contacts(random, number, tag, email)
    if number % _RECEPTION_EVERY == _RECEPTION_EVERY - 1:
        emails, phone = (email,), f"{RECEPTION}{number // (_RECEPTION_EVERY * 10) % 100:02}{tag}"
    city = random.choices(_CITIES, _WEIGHTS)[0]
    return Customer(f"{first} {last}", segment, emails, phone, city, random.choice(_SOURCES), random.random() < 0.7)


def _contacts(random: Random, number: int, tag: str, email: str) -> tuple[tuple[str, ...], str | None]:
    """Some give an address, some a phone number, most both; a few have an address at work as well."""
    phone = f"+9198{tag}{number:0{8 - len(tag)}}"
    match random.choices(("both", "email", "phone", "work"), (50, 30, 15, 5))[0]:
        case "email":
            return (email,), None
        case "phone":
            return (), phone
        case "work":
            return (email, f"{email.partition('@')[0]}@office.example"), phone
        case _:
            return (email,), phone


def _plain(name: str) -> str:
    """A name as it stands in an address: lower case, no accents, letters only."""
    spelt = name.lower().replace("ø", "o").replace("ł", "l").replace("ß", "ss").replace("đ", "d")
    return "".join(c for c in unicodedata.normalize("NFKD", spelt) if c.isascii() and c.isalpha())
