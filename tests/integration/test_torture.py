"""Everything dies at once, for a short while: the same as `make torture`, which does it for ten
minutes."""

import os
import re
import subprocess
import sys

TORTURE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "torture", "torture.py")
SECONDS = 60
SEED = 1
LIMIT_S = 240


def test_a_short_torture_breaks_no_promise(tmp_path):
    """Seed and figures are in the output; the ledger stays in the build directory of `make
    torture` only."""
    run = subprocess.run(
        [sys.executable, "-B", TORTURE, "--seconds", str(SECONDS), "--seed", str(SEED)]
        + ["--directory", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
    )
    verdict = re.search(r"(\d+) passed, (\d+) failed\n$", run.stdout)
    assert run.returncode == 0 and verdict, run.stdout[-20000:] + run.stderr[-4000:]
    assert int(verdict[1]) > 0 and verdict[2] == "0"
