"""Keeping freed memory: training allocates and frees the same large arrays at every step."""

from __future__ import annotations

import ctypes
import sys

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4  # names of glibc's mallopt(3)
_LARGEST = 2**31 - 1


def keep_freed_memory() -> bool:
    """Ask glibc to keep what is freed for the next allocation, and return whether it agreed.

    By default it returns large blocks to the system, which clears every page again before the next step may write to
    it: half of the time of a step over a large embedding table. The price is that memory in use stays at its peak.
    Systems without glibc keep their own ways.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except AttributeError:  # another C library
        return False
    return bool(mallopt(_TRIM_THRESHOLD, _LARGEST)) and bool(mallopt(_MMAP_MAX, 0))
