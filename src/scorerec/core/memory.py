"""What becomes of freed memory: training wants it at hand, a service that runs for weeks wants it back now and then.

Both are ways of glibc; systems without it keep their own.
"""

from __future__ import annotations

import ctypes
import sys
from typing import Any

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4  # names of glibc's mallopt(3)
_LARGEST = 2**31 - 1


def keep_freed_memory() -> bool:
    """Ask glibc to keep what is freed for the next allocation, and return whether it agreed.

    By default it returns large blocks to the system, which clears every page again before the next step may write to
    it: half of the time of a step over a large embedding table. The price is that memory in use stays at its peak, and
    grows where sizes are ever others; see ``give_back``.
    """
    mallopt = _of_glibc("mallopt")
    return bool(mallopt and mallopt(_TRIM_THRESHOLD, _LARGEST)) and bool(mallopt(_MMAP_MAX, 0))


def give_back() -> bool:
    """Give the system back what is free by now, in some milliseconds, and return whether there was something.

    Tensors of ever other lengths leave holes that no later one fits.
    """
    trim = _of_glibc("malloc_trim")
    return bool(trim and trim(0))


def _of_glibc(name: str) -> Any:
    """Return a function of glibc; None where there is another C library."""
    return getattr(ctypes.CDLL(None), name, None) if sys.platform.startswith("linux") else None
