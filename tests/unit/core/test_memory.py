import ctypes
import platform
import subprocess
import sys

import psutil
import pytest

from scorerec.core.memory import give_back, keep_freed_memory

COUNT_FAULTS = """
import resource, sys
import numpy as np
from scorerec.core.memory import keep_freed_memory
if sys.argv[1] == "keep" and not keep_freed_memory():
    sys.exit(3)
np.ones(4_000_000)  # 32 MB
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    np.ones(4_000_000)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def page_faults(how):
    done = subprocess.run([sys.executable, "-c", COUNT_FAULTS, how], capture_output=True, text=True, check=False)
    if done.returncode == 3:
        pytest.skip("this system has no glibc")
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def test_a_large_array_is_not_fetched_from_the_system_again():
    assert page_faults("keep") < page_faults("leave") / 5


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="this system has no glibc")
def test_free_memory_is_given_back():
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


def test_elsewhere_nothing_is_done(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not give_back()
    assert not keep_freed_memory()
