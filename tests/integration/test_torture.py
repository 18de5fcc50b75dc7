"""A short run of `make torture`: all faults, during traffic."""

import os
import re
import subprocess
import sys

import pytest

pytestmark = pytest.mark.no_valgrind("bounds of time")

TORTURE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "torture", "torture.py")
SECONDS = 60
SEED = 1
LIMIT_S = 240


def test_a_short_torture_breaks_no_promise(tmp_path):
    """The seed and the figures are in the output. Only `make torture` keeps the ledger."""
    with subprocess.Popen(
        [sys.executable, "-B", TORTURE, "--seconds", str(SECONDS), "--seed", str(SEED)]
        + ["--directory", str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as run:
        try:
            printed, _ = run.communicate(timeout=LIMIT_S)
        except subprocess.TimeoutExpired:
            run.terminate()  # it stops its daemon and its PostgreSQL
            printed, _ = run.communicate(timeout=60)
    verdict = re.search(r"(\d+) passed, (\d+) failed\n$", printed)
    assert run.returncode == 0 and verdict, printed[-20000:]
    assert int(verdict[1]) > 0 and verdict[2] == "0"
