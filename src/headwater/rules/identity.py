"""Identities as the whole of headwater writes them: `type:id`, e-mails and phone numbers in one form only."""

import re
from collections.abc import Sequence
from functools import lru_cache

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumberFormat

CONTACTS = frozenset(("email", "phone"))
"""Identity types whose ids are brought into one form."""
MAX_TYPE = 128
MAX_ID = 1024

_EMAIL = re.compile(r"[^@\s\x00-\x1f\x7f]+@[^@\s\x00-\x1f\x7f]+")
_MAX_EMAIL = 254
_EMAILS = re.compile(r"[!-?A-~]{1,64}@[!-?A-~]{1,189}(?:\n[!-?A-~]{1,64}@[!-?A-~]{1,189})*")
_PHONES = re.compile(r"\+[1-9][0-9]{7,14}(?:\n\+[1-9][0-9]{7,14})*")
"""Lines of what nearly every address and number is, and is taken as it is but for capitals."""
_CACHED = 1 << 12
_LONGEST = 320
"""Characters of what can be a number, blanks around it included; nothing longer is kept in mind."""


def email_identity(text: str) -> str | None:
    """`email:` and the address, trimmed and lower-cased; None when it is none.

    Only the form is checked: whether a domain exists or a provider folds dots is not for us to say. Not cached: among
    more people than a cache holds, looking in it and replacing takes longer than the check.
    """
    address = text.strip().lower()
    at = address.find("@")
    if at < 1 or len(address) > _MAX_EMAIL:
        return None
    # What nearly every address is, seen in half the time of the pattern.
    plain = address.isascii() and address.isprintable() and " " not in address and address.find("@", at + 1) < 0
    if (plain and at < len(address) - 1) or _EMAIL.fullmatch(address):
        return "email:" + address
    return None


def phone_identity(text: str, region: str | None = None) -> str | None:
    """`phone:` and the number as E.164; None when it cannot be made one.

    `region` (ISO 3166, as `IN`) reads numbers without a country code. What is E.164 already is taken as it is:
    numbering plans change faster than libraries, and a look-up costs more than the rest of the event.
    """
    number = text.strip()
    if number[:1] == "+" and 9 <= len(number) <= 16 and number[1] != "0" and number.isascii() and number[1:].isdigit():
        return "phone:" + number
    return _looked_up(number, region) if len(number) <= _LONGEST else None


@lru_cache(_CACHED)
def _looked_up(number: str, region: str | None) -> str | None:
    try:
        parsed = phonenumbers.parse(number, region)
    except NumberParseException:
        return None
    if not phonenumbers.is_possible_number(parsed):
        return None
    return "phone:" + phonenumbers.format_number(parsed, PhoneNumberFormat.E164)


def contact_identities(email: str | None, phone: str | None, region: str | None = None) -> tuple[str, ...]:
    """The identities of an address and a number, of which one may be missing or blank; empty when there is none or
    one of them cannot be read."""
    by_email = email_identity(email) if email else None
    by_phone = phone_identity(phone, region) if phone else None
    if by_email and by_phone:
        return by_email, by_phone
    unread = (by_email is None and email and not email.isspace()) or (
        by_phone is None and phone and not phone.isspace()
    )
    return () if unread else tuple(key for key in (by_email, by_phone) if key)


def usual_contacts(emails: Sequence[str | None], phones: Sequence[str | None]) -> Sequence[tuple[str, ...]] | None:
    """`contact_identities` of many people at once, in half the time; None when one of them has to be looked at alone.

    That is unless all have what one of them has, in the form that nearly every address and number has.
    """
    columns = []
    if any(emails):
        columns.append(_keys("email:", emails, _EMAILS))
    if any(phones):
        columns.append(_keys("phone:", phones, _PHONES))
    if not columns or None in columns:
        return None
    return list(zip(*columns, strict=True))


def _keys(kind: str, texts: Sequence[str | None], usual: re.Pattern[str]) -> list[str] | None:
    """None when one of them is missing or unusual."""
    try:
        lines = "\n".join(texts)  # type: ignore[arg-type]
    except TypeError:
        return None
    if not usual.fullmatch(lines):
        return None
    keys = [kind + text for text in lines.lower().split("\n")]
    return keys if len(keys) == len(texts) else None


def identity(type_: str, id_: str, region: str | None = None) -> str | None:
    """`type:id`, normalised for the types `email` and `phone`; None when the id is no such thing."""
    if type_ == "email":
        return email_identity(id_)
    if type_ == "phone":
        return phone_identity(id_, region)
    return f"{type_}:{id_}"


def split_identity(key: str) -> tuple[str, str]:
    """`type:id` split at its first colon; an empty type when there is none."""
    type_, colon, id_ = key.partition(":")
    return (type_, id_) if colon else ("", key)
