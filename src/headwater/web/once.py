"""A request under an `Idempotency-Key`: taken once; sent again it is told what it was told the first time."""

from headwater.claims.base import Hold, InFlightError, claim_key
from headwater.dialects.base import Answer, Dialect, Posted, Receipt, Request
from headwater.errors import DiffersError, GoneError, InvalidError
from headwater.events import Claim
from headwater.intake import Order
from headwater.rules.once import First, Sent, difference, is_key, keep, recall, sent

HEADER = b"idempotency-key"
_REPLAYED = (b"idempotency-replayed", b"true")


def key_in(headers: list[tuple[bytes, bytes]]) -> bytes:
    """The key of a request that has one. Raises InvalidError."""
    keys = [value for name, value in headers if name == HEADER]
    if len(keys) != 1 or not is_key(keys[0]):
        raise InvalidError("Idempotency-Key must be one header of 1 to 255 visible ASCII characters")
    return keys[0]


class Once:
    """One request under its key."""

    def __init__(self, workspace: str, key: bytes, dialect: Dialect, path: str, posted: Posted) -> None:
        self._key = claim_key(workspace, "key", key.decode("ascii"))
        self._dialect = dialect
        self._path = path
        self._posted = posted

    async def before(self, hold: Hold, lenient: bool, backfill: str) -> tuple[Answer, str] | None:
        """The answer it got before, and its batch; None when it is the first, and reserved from now on.

        Raises InFlightError while another one is under way, DiffersError when that was another request, GoneError when
        its answer was erased, UnavailableError.
        """
        try:
            known = await hold.take([self._key], wait=False)
        except InFlightError:
            raise InFlightError(
                "A request with this Idempotency-Key is being answered; try again in a moment"
            ) from None
        if not known:
            return None
        first = recall(known[self._key])
        if first is None:
            raise GoneError("Events of the request that had this Idempotency-Key were erased; nothing was stored now")
        self._compare(first.sent, lenient, backfill)
        return Answer(first.status, first.body, (*first.headers, _REPLAYED)), first.batch

    def order(self, hold: Hold, lenient: bool, backfill: str) -> Order:
        """How the first one is to be taken: its answer is kept with its events."""

        def claim(batch: bytes, request: Request, receipt: Receipt) -> Claim:
            answer = self._dialect.encode(request, receipt, self._posted.single)
            first = First(self._sent(lenient, backfill), answer.status, answer.headers, receipt.batch, answer.body)
            joined = backfill or next((event.backfill_id for event in receipt.taken if event.backfill_id), "")
            return Claim(self._key, keep(batch, first), joined)

        return Order(hold, lenient, backfill, self._key, claim)

    def _sent(self, lenient: bool, backfill: str) -> Sent:
        body, single, field = self._posted.body, self._posted.single, self._dialect.list_field
        return sent(self._path, single, lenient, backfill, body, field)

    def _compare(self, first: Sent, lenient: bool, backfill: str) -> None:
        found = difference(first, self._sent(lenient, backfill), self._dialect.list_field)
        if found:
            about = f"This Idempotency-Key was used for another request; what differs is {found.what}"
            raise DiffersError(about, found.path)
