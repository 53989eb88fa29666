"""What was freed goes back to the system."""

from __future__ import annotations

import ctypes
import sys

import psutil
import pytest

from scorerec.serve.memory import give_back


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="this C library gives nothing back")
def test_free_memory_is_given_back() -> None:
    """Between pieces that are kept lies memory that the C library keeps, too."""
    library = ctypes.CDLL(None)
    library.malloc.restype, library.malloc.argtypes, library.free.argtypes = (
        ctypes.c_void_p,
        [ctypes.c_size_t],
        [ctypes.c_void_p],
    )
    pieces = [library.malloc(16_000) for _ in range(6_000)]
    for piece in pieces:
        ctypes.memset(piece, 1, 16_000)
    kept, freed = pieces[::100], [piece for place, piece in enumerate(pieces) if place % 100]
    for piece in freed:
        library.free(piece)
    before = psutil.Process().memory_info().rss
    assert give_back()
    assert before - psutil.Process().memory_info().rss > 40e6
    for piece in kept:
        library.free(piece)


def test_elsewhere_nothing_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not give_back()
