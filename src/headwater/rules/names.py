"""What things may be called."""

import re
import unicodedata
from collections.abc import Sequence
from hashlib import blake2b

import phonenumbers

from headwater.errors import InvalidError
from headwater.rules.identity import MAX_ID, MAX_TYPE, identity, split_identity

MAX_NAME = 200
MOST_NEVER = 1_000
"""Values on a workspace's list of those that never connect."""
FEWEST_IDENTITIES, MOST_IDENTITIES = 2, 1_000
"""What a workspace may set as the most identities of a profile."""

_MAX_SLUG = 100
_SLUG = re.compile(rf"[A-Za-z0-9._~-]{{1,{_MAX_SLUG}}}", re.ASCII)


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


def check_never_connect(values: Sequence[str], region: str | None) -> tuple[str, ...]:
    """Identities, sorted, each once; a bare e-mail address or phone number is taken for one. InvalidError names the one
    that is neither, or says that there are too many."""
    if len(values) > MOST_NEVER:
        raise InvalidError(f"'never_connect' must have at most {MOST_NEVER} values", "never_connect")
    found = set()
    for place, value in enumerate(values):
        type_, id_ = split_identity(value)
        if not type_:
            type_ = "email" if "@" in value else "phone"
        fits = 0 < len(id_) <= MAX_ID and len(type_) <= MAX_TYPE
        known = identity(type_, id_, region) if fits and is_unicode(value) else None
        if known is None:
            text = f"'{value[:100]}' is neither an e-mail address, nor a phone number, nor an identity as type:id"
            raise InvalidError(text, f"never_connect[{place}]")
        found.add(known)
    return tuple(sorted(found))


def check_max_identities(count: int) -> None:
    """InvalidError unless a profile may have so many identities."""
    if not FEWEST_IDENTITIES <= count <= MOST_IDENTITIES:
        raise InvalidError(f"'max_identities' must be from {FEWEST_IDENTITIES} to {MOST_IDENTITIES}", "max_identities")


def is_unicode(text: str) -> bool:
    """Whether it can be written in UTF-8: JSON can spell half of a surrogate pair, too."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def slug_is_valid(slug: str) -> bool:
    """Up to 100 unreserved characters of RFC 3986; `.` and `..` are no names in a path."""
    return _SLUG.fullmatch(slug) is not None and slug not in (".", "..")


def slug_for(name: str) -> str:
    """The slug of a signal that is called so by who sends its events: the name as it is where it can be one, else
    `slug_of` it; with a sum of the name where that would be the slug of other names, too."""
    if slug_is_valid(name):
        return name
    plain = "".join(each for each in unicodedata.normalize("NFKD", name) if not unicodedata.combining(each))
    slug = slug_of(name)
    if slug and len(plain) <= _MAX_SLUG and not any(each.isalnum() and not each.isascii() for each in plain):
        return slug
    sum_ = blake2b(name.encode(), digest_size=4).hexdigest()
    return f"{slug[:80].rstrip('-') or 'event'}-{sum_}"


def slug_of(name: str) -> str:
    """`Visited Documentation Page` as `visited-documentation-page`; empty when nothing of the name is left."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:_MAX_SLUG].rstrip("-")
