"""What things may be called."""

import re
import unicodedata

import phonenumbers

from headwater.errors import InvalidError

MAX_NAME = 200

_SLUG = re.compile(r"[A-Za-z0-9._~-]{1,100}", re.ASCII)


def check_name(name: str, needed: bool = True) -> str:
    """The name without spaces around it; InvalidError when it is empty, too long, or cannot be printed."""
    name = name.strip()
    if not name and needed:
        raise InvalidError("'name' must not be empty", "name")
    if len(name) > MAX_NAME:
        raise InvalidError(f"'name' must have at most {MAX_NAME} characters", "name")
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in name):
        raise InvalidError("'name' must not hold control characters", "name")
    return name


def check_region(region: str) -> str:
    """A region that phone numbers can be read for, in capitals; InvalidError when there is none of that code."""
    region = region.upper()
    if region not in phonenumbers.SUPPORTED_REGIONS:
        raise InvalidError("'default_region' must be a region's two letters (ISO 3166), as in 'IN'", "default_region")
    return region


def slug_is_valid(slug: str) -> bool:
    """Up to 100 unreserved characters of RFC 3986; `.` and `..` are no names in a path."""
    return _SLUG.fullmatch(slug) is not None and slug not in (".", "..")


def slug_of(name: str) -> str:
    """`Visited Documentation Page` as `visited-documentation-page`; empty when nothing of the name is left."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:100].rstrip("-")
