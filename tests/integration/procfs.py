"""procfs: what a process uses, read from /proc, and the limits of this process.

Owns: nothing. Knows nothing of: the daemon.
"""

import os
import resource


def process_state(pid):
    """The state of proc_pid_stat(5): T is stopped, Z is a zombie; X if there is no process."""
    try:
        return _stat(pid)[0]
    except (FileNotFoundError, ProcessLookupError):
        return "X"


def is_gone(pid):
    """True if the process has ended, reaped or not."""
    return process_state(pid) in "XZ"


def _stat(pid):
    """The fields of /proc/PID/stat after the command's name."""
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
        return file.read().rsplit(")", 1)[1].split()


def private_memory_kib(pid):
    """Its anonymous memory, and its proportional share of what it shares with its parent.

    Mapped files and shared memory are left out: their size does not depend on clients
    (proc_pid_smaps(5), smaps_rollup).
    """
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("Pss_Anon:"))


def resident_memory_kib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS:"))


def cpu_ticks(pid):
    """Processor time so far, in user and kernel mode, in clock ticks."""
    fields = _stat(pid)
    return int(fields[11]) + int(fields[12])


def cpu_s(pid):
    return cpu_ticks(pid) / os.sysconf("SC_CLK_TCK")


def run_s(pid):
    """Processor time of the main thread so far, which is all of a worker's, to the nanosecond."""
    with open(f"/proc/{pid}/schedstat", encoding="ascii") as file:
        return int(file.read().split()[0]) / 1e9


def n_fds(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def is_sanitized(pid):
    """True if the process has AddressSanitizer, whose allocator keeps freed memory for a while."""
    with open(f"/proc/{pid}/maps", encoding="utf-8") as file:
        return "libasan" in file.read()


def program_is_sanitized(path):
    """True if the program is built with AddressSanitizer, which no other library may precede (LD_PRELOAD)."""
    with open(path, "rb") as file:
        return b"libasan.so" in file.read()


def raise_fd_limit(wanted):
    """Lets this process open this many descriptors; returns False if it may not."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= wanted:
        return True
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, max(hard, wanted)))
    except (ValueError, PermissionError):
        return False
    return True
