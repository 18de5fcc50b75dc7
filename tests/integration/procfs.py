"""procfs: what a process uses, as /proc tells it, and what it may use.

Owns: nothing. Knows nothing of: which process it is.
"""

import os
import resource


def memory_kib(pid):
    """Its memory, and its part of what it shares with its parent; without the files and the shared
    memory that it maps, which are as large as they are whatever clients do (proc(5),
    smaps_rollup)."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("Pss_Anon:"))


def cpu_s(pid):
    """Processor time so far, in user and kernel mode."""
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def n_fds(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def is_sanitized(pid):
    """A sanitizer keeps what was freed for a while, and its allocator is no one else's."""
    with open(f"/proc/{pid}/maps", encoding="utf-8") as file:
        return "libasan" in file.read()


def raise_files(wanted):
    """Lets this process have so many descriptors; False where it may not."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= wanted:
        return True
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, max(hard, wanted)))
    except (ValueError, PermissionError):
        return False
    return True
