"""polling: waits for a condition, with a deadline.

Owns: nothing. Knows nothing of: the conditions.
"""

import os
import time

SLOWNESS = int(os.environ.get("PARLEY_SLOWNESS", "1"))  # factor; 5 under valgrind
DEADLINE_S = 20 * SLOWNESS  # only a failure takes this long


def wait_for(condition, timeout=DEADLINE_S, what="", details=lambda: ""):
    """Polls until condition() is true and returns its value.

    After timeout seconds it fails with the text of what and the result of details().
    """
    deadline = time.monotonic() + timeout
    pause = 0.005
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"timeout after {timeout} s: {what}{details()}")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.1)
