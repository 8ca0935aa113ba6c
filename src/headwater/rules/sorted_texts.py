"""Many different texts in order, small: in pieces of some hundred, each as bytes one after the other, so that for the
few that come or go little is made anew."""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate, islice, pairwise

MOST_TYPES = 100
_MOST = 512
"""Texts of a piece."""
_AT_ONCE = 32
"""Of what comes, so many pieces' worth is put among the others at a time."""


class SortedTexts:
    """Never changed, only replaced. Code points decide the order, as the bytes of UTF-8 do."""

    __slots__ = ("_firsts", "_pieces", "_types")

    def __init__(self) -> None:
        self._pieces: list[_Piece] = []
        self._firsts: list[bytes] = []
        self._types: tuple[str, ...] | None = None

    def __len__(self) -> int:
        return sum(map(len, self._pieces))

    @property
    def nbytes(self) -> int:
        return sum(each.nbytes for each in self._pieces)

    def with_all(self, texts: Iterable[str]) -> "SortedTexts":
        """With these, too; they come sorted."""
        made, coming = self, (text.encode() for text in texts)
        while some := list(islice(coming, _AT_ONCE * _MOST)):
            made = made._changed(some, set.union)
        return made

    def without(self, texts: Iterable[str]) -> "SortedTexts":
        """Without these, as far as they are there."""
        return self._changed(sorted(text.encode() for text in texts), set.difference)

    def beginning(self, prefix: str) -> Iterator[str]:
        """Those that begin so, in order."""
        start = prefix.encode()
        for each in self._from(start):
            if not each.startswith(start):
                return
            yield each.decode()

    def types(self) -> tuple[str, ...]:
        """What stands before the first colon: the first MOST_TYPES of them."""
        if self._types is None:
            found: list[str] = []
            after = b""
            while len(found) < MOST_TYPES and (each := next(self._from(after), None)) is not None:
                type_ = each.partition(b":")[0]
                found.append(type_.decode())
                after = type_ + b";"  # the character after the colon
            self._types = tuple(found)
        return self._types

    def _changed(self, texts: Sequence[bytes], change: "_Change") -> "SortedTexts":
        """With every piece replaced that some of the texts, sorted, fall into."""
        if not texts:
            return self
        first, end = self._place(texts[0]), self._place(texts[-1]) + 1
        pieces: list[_Piece] = []
        at = 0
        concerned, afters = self._pieces[first:end] or [_Piece(())], [*self._firsts[first + 1 : end], None]
        for piece, after in zip(concerned, afters, strict=True):
            upto = len(texts) if after is None else bisect_left(texts, after, at)
            pieces += [piece] if upto == at else _cut(sorted(change({*piece}, texts[at:upto])))
            at = upto
        made = SortedTexts()
        made._pieces = [*self._pieces[:first], *pieces, *self._pieces[end:]]
        made._firsts = [*self._firsts[:first], *(each[0] for each in pieces), *self._firsts[end:]]
        return made

    def _place(self, text: bytes) -> int:
        """Of the piece that it falls into."""
        return max(0, bisect_right(self._firsts, text) - 1)

    def _from(self, text: bytes) -> Iterator[bytes]:
        for piece in islice(self._pieces, self._place(text), None):
            yield from map(piece.__getitem__, range(bisect_left(piece, text), len(piece)))


class _Piece(Sequence[bytes]):
    """Sorted, each once."""

    __slots__ = ("_bytes", "_ends")

    def __init__(self, texts: Sequence[bytes]) -> None:
        self._bytes = b"".join(texts)
        self._ends = array("I", accumulate(map(len, texts), initial=0))

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, place: int) -> bytes:  # type: ignore[override]  # no slices
        return self._bytes[self._ends[place] : self._ends[place + 1]]

    def __iter__(self) -> Iterator[bytes]:
        return (self._bytes[start:end] for start, end in pairwise(self._ends))

    @property
    def nbytes(self) -> int:
        return len(self._bytes) + len(self._ends) * self._ends.itemsize


_Change = Callable[[set[bytes], Sequence[bytes]], set[bytes]]


def _cut(texts: Sequence[bytes]) -> list[_Piece]:
    """As few pieces as can be, of one size."""
    count = -(-len(texts) // _MOST)
    size = -(-len(texts) // max(1, count))
    return [_Piece(texts[at : at + size]) for at in range(0, len(texts), size or 1)]
