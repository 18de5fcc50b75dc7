"""parleyd under a service manager: signals during start-up, sd_notify(3), reload, the systemd unit."""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import time

import pytest

from conftest import run_daemon
from parleyd import Parleyd, build_dir, program
from polling import DEADLINE_S, SLOWNESS, wait_for

SETTINGS = {"workers": 1}
STARTS = 30


# --- signals during start-up ---


def open_for_writing(fifo):
    """The fifo, once another process has opened it for reading."""

    def try_to_open():
        with contextlib.suppress(OSError):  # ENXIO: no reader
            return os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)

    return os.fdopen(wait_for(try_to_open, what=f"nothing reads {fifo}"), "w")


def start_with_sighup(daemon, delay_s):
    """Starts the daemon and sends it SIGHUP: before it has read its configuration if delay_s is None, else delay_s
    after it has begun to read it."""
    os.unlink(daemon.conf)
    os.mkfifo(daemon.conf)  # main() runs when it is opened
    with open(daemon.log_path, "ab") as log:
        daemon.process = subprocess.Popen(
            [*daemon.command("parleyd"), "-F"], stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    with open_for_writing(daemon.conf) as fifo:
        os.unlink(daemon.conf)
        daemon.write_conf()  # for the reload
        if delay_s is None:
            daemon.process.send_signal(signal.SIGHUP)
        with open(daemon.conf, encoding="utf-8") as conf:
            fifo.write(conf.read())
    if delay_s is not None:
        time.sleep(delay_s)
        daemon.process.send_signal(signal.SIGHUP)


def test_sighup_during_start_up_reloads_and_does_not_end_the_daemon(cluster):
    daemon = Parleyd(cluster, **SETTINGS)
    daemon.ctl("migrate")
    delays_ms = [*range(10), None]
    try:
        for i in range(STARTS):
            delay_ms = delays_ms[i % len(delays_ms)]
            start_with_sighup(daemon, None if delay_ms is None else delay_ms * SLOWNESS / 1000)
            wait_for(
                lambda: daemon.process.poll() is not None or daemon.healthy(), details=daemon.log
            )
            assert daemon.process.poll() is None, f"SIGHUP after {delay_ms} ms ended it"
            wait_for(
                lambda n=i + 1: len(re.findall("Z info reloaded", daemon.log())) == n,
                what=f"no reload after {delay_ms} ms\n",
                details=daemon.log,
            )
            assert daemon.stop() == 0
        assert not daemon.complaints()
    finally:
        daemon.drop()


# --- sd_notify ---


class Manager:
    """The service manager's end of $NOTIFY_SOCKET."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self.socket.settimeout(DEADLINE_S)
        self.socket.bind(path)

    def next(self):
        """The next notification as a dictionary, and the pid of its sender (unix(7), SCM_CREDENTIALS)."""
        text, [(_, _, credentials)], _, _ = self.socket.recvmsg(4096, socket.CMSG_SPACE(12))
        pid = int.from_bytes(credentials[:4], "little")
        return dict(line.split("=", 1) for line in text.decode().splitlines()), pid


@pytest.fixture
def manager(tmp_path):
    os.chmod(tmp_path, 0o755)
    manager = Manager(str(tmp_path / "notify"))
    yield manager
    manager.socket.close()


def test_the_service_manager_is_notified_of_start_reload_and_stop(cluster, manager):
    environment = {"NOTIFY_SOCKET": manager.socket.getsockname()}
    for daemon in run_daemon(cluster, environment=environment, **SETTINGS):
        pid = daemon.process.pid
        assert manager.next() == ({"READY": "1"}, pid)
        before_us = time.monotonic_ns() // 1000
        daemon.ctl("reload")
        state, sender = manager.next()
        assert sender == pid and state.pop("RELOADING") == "1"
        # The daemon's clock has milliseconds.
        assert before_us - 1000 <= int(state.pop("MONOTONIC_USEC")) <= time.monotonic_ns() // 1000
        assert not state
        assert manager.next() == ({"READY": "1"}, pid)
        assert daemon.stop() == 0
        assert manager.next() == ({"STOPPING": "1"}, pid)


def test_ready_is_sent_when_connections_are_answered(cluster, manager):
    environment = {"NOTIFY_SOCKET": manager.socket.getsockname()}
    daemon = Parleyd(cluster, environment=environment, **SETTINGS)
    daemon.ctl("migrate")
    try:
        with open(daemon.log_path, "ab") as log:
            daemon.process = subprocess.Popen(
                [*daemon.command("parleyd"), "-F"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **environment},
            )
        assert manager.next()[0] == {"READY": "1"}
        assert daemon.healthy()
        assert daemon.stop() == 0
    finally:
        daemon.drop()


# --- reload ---


def test_a_rejected_reload_is_exit_1_with_the_reason(cluster):
    for daemon in run_daemon(cluster, **SETTINGS):
        daemon.settings["workers"] = 2
        daemon.write_conf()
        done = daemon.ctl("reload", check=False)
        assert done.returncode == 1
        assert f"{daemon.conf}: workers needs a restart" in done.stderr
        assert len(done.stderr.splitlines()) == 1
        daemon.settings["workers"] = 1
        daemon.write_conf()
        assert daemon.ctl("reload").returncode == 0
        assert daemon.healthy()


def test_a_reload_without_a_daemon_is_exit_1(cluster):
    daemon = Parleyd(cluster, **SETTINGS)
    done = daemon.ctl("reload", check=False)
    assert done.returncode == 1 and "not running" in done.stderr
    daemon.drop()


# --- the unit ---


def test_the_systemd_unit_is_valid(tmp_path):
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed")
    with open(os.path.join(build_dir(), "parleyd.service"), encoding="utf-8") as file:
        unit = file.read()
    # The programs are not installed.
    for name in ("parleyd", "parleyctl"):
        unit = re.sub(rf"=\S*/{name} ", f"={program(name)} ", unit)
    assert unit.count(build_dir()) == 2
    path = tmp_path / "parleyd.service"
    path.write_text(unit)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    found = [line for line in done.stderr.splitlines() if "parleyd.service" in line]
    assert done.returncode == 0 and not found, done.stderr
