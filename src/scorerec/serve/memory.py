"""Memory that is free and was not given back: the C library keeps what lies between pieces still in use."""

from __future__ import annotations

import ctypes
import sys


def give_back() -> bool:
    """Give free memory back to the system, in some milliseconds; return whether there was some that could be.

    Tensors of ever other lengths leave holes, a megabyte a request, that no tensor of later fits. Only glibc can do it.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    return bool(trim and trim(0))
