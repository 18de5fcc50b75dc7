"""polling: for a condition, never for a time.

Owns: nothing. Knows nothing of: what is waited for.
"""

import os
import time

SLOWNESS = int(os.environ.get("PARLEY_SLOWNESS", "1"))  # how many times, under valgrind say
DEADLINE_S = 20 * SLOWNESS  # generous: only a failure waits this long, and sanitizers are slow


def wait_for(condition, timeout=DEADLINE_S, what="", tell=lambda: ""):
    """Polls until condition() is true and returns its value; fails with what + tell() after
    timeout seconds."""
    deadline = time.monotonic() + timeout
    pause = 0.005
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout} s in vain: {what}{tell()}")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.1)
