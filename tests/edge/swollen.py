"""gzip bodies that are small on the wire and large behind it."""

import zlib
from functools import cache


@cache
def swollen(mebibytes: int) -> bytes:
    """So many MiB of zeros as gzip: about a thousandth of that."""
    packer = zlib.compressobj(wbits=31)
    piece = bytes(1024 * 1024)
    return b"".join([packer.compress(piece) for _ in range(mebibytes)] + [packer.flush()])
