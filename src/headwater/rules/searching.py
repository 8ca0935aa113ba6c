"""What somebody who types the beginning of an identity may mean."""

import re
from collections.abc import Iterable

import phonenumbers

from headwater.rules.identity import split_identity

_BETWEEN = re.compile(r"[\s().\-/]+")
"""What people write between the digits of a phone number."""
_NUMBER = re.compile(r"\+?[0-9]+", re.ASCII)


def prefixes(text: str, types: Iterable[str], region: str | None = None) -> list[str]:
    """How identities (`type:id`) of these types begin that may be meant, each once: the text is the beginning of an id,
    or a type, a colon, and that. E-mail addresses are lower-case; of a phone number (`region` as in `rules.identity`)
    only the digits count, with or without the country's code."""
    given, rest = split_identity(text)
    found: list[str] = []
    for type_ in types:
        if type_ == given:
            found += _of_type(type_, rest, region) if rest.strip() else [f"{type_}:"]
        found += _of_type(type_, text, region)
    return list(dict.fromkeys(found))


def _of_type(type_: str, text: str, region: str | None) -> list[str]:
    match type_:
        case "email":
            return [f"email:{text.strip().lower()}"]
        case "phone":
            return [f"phone:{each}" for each in _numbers(text, region)]
        case _:
            return [f"{type_}:{text}"]


def _numbers(text: str, region: str | None) -> list[str]:
    """How E.164 numbers begin that may be meant."""
    digits = _BETWEEN.sub("", text)
    if not _NUMBER.fullmatch(digits):
        return []
    if digits.startswith("+"):
        return [digits]
    found = ["+" + digits[2:]] if digits.startswith("00") and len(digits) > 2 else []
    national = digits.lstrip("0")
    code = phonenumbers.country_code_for_region(region) if region else 0
    if code and national:
        found.append(f"+{code}{national}")
    return [*found, f"+{digits}"] if not digits.startswith("0") else found
