import subprocess
import sys

import pytest

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
