import subprocess
import sys

import pytest

PAGES = """
import resource
import numpy as np
from cerberus_annotate.objects.freed_memory import keep_freed_memory

def pages_got(bytes_wanted):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    np.ones(bytes_wanted, np.uint8)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

keep_freed_memory()
print(*(pages_got(3_000_000) for _ in range(3)))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only glibc can be told to keep freed memory")
def test_freed_memory_is_used_again():
    told = subprocess.run([sys.executable, "-c", PAGES], check=True, capture_output=True, text=True).stdout
    first, *again = map(int, told.split())
    assert first > 500
    assert max(again) < 100
