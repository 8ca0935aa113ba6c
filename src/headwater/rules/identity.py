"""Identities as the whole of headwater writes them: `type:id`, e-mails and phone numbers in one form only."""

import re
from functools import lru_cache

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumberFormat

MAX_TYPE = 128
MAX_ID = 1024

_E164 = re.compile(r"\+[1-9][0-9]{7,14}")
_EMAIL = re.compile(r"[^@\s\x00-\x1f\x7f]+@[^@\s\x00-\x1f\x7f]+")
_CACHED = 1 << 16
_LONGEST = 320
"""Characters of what can be an address or a number, blanks around it included; nothing longer is kept in mind."""


def email_identity(text: str) -> str | None:
    """`email:` and the address, trimmed and lower-cased; None when it is none.

    Only the form is checked: whether a domain exists or a provider folds dots is not for us to say.
    """
    return _email(text) if len(text) <= _LONGEST else None


@lru_cache(_CACHED)
def _email(text: str) -> str | None:
    address = text.strip().lower()
    if len(address) > 254 or not _EMAIL.fullmatch(address):
        return None
    return "email:" + address


def phone_identity(text: str, region: str | None = None) -> str | None:
    """`phone:` and the number as E.164; None when it cannot be made one.

    `region` (ISO 3166, as `IN`) reads numbers without a country code. What is E.164 already is taken as it is:
    numbering plans change faster than libraries, and a look-up costs more than the rest of the event.
    """
    return _phone(text, region) if len(text) <= _LONGEST else None


@lru_cache(_CACHED)
def _phone(text: str, region: str | None) -> str | None:
    number = text.strip()
    if _E164.fullmatch(number):
        return "phone:" + number
    try:
        parsed = phonenumbers.parse(number, region)
    except NumberParseException:
        return None
    if not phonenumbers.is_possible_number(parsed):
        return None
    return "phone:" + phonenumbers.format_number(parsed, PhoneNumberFormat.E164)


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
