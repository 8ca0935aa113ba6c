"""The tests' Chromium, for benches: cold pages, what they transfer, and how they feel."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "tests"))

from browsing import Seen, chromium, open_context, settle, sign_in

__all__ = ["Seen", "chromium", "open_context", "settle", "sign_in"]
