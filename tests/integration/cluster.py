"""cluster: a private PostgreSQL in a temporary directory, reachable by a Unix socket only.

Owns: the data directory and the server's processes. Knows nothing of: parleyd.

PostgreSQL does not run as root; as root it is started under an unprivileged account. There is no
TCP port, so that any number of clusters can run at the same time.
"""

import os
import shutil
import signal
import subprocess
import time

import psycopg

from postgres_server import bindir, private_directory, unprivileged

START_S = 60


class Cluster:
    def __init__(self, fsync=True, parent=None):
        self.fsync = fsync
        self.directory = private_directory("parley-pg-", parent)
        self.data = os.path.join(self.directory, "data")
        self.bindir = bindir()
        self.process = None
        subprocess.run(
            [
                os.path.join(self.bindir, "initdb"),
                "-D",
                self.data,
                "-U",
                "parley",
                "-A",
                "trust",
                "-E",
                "UTF8",
                "--locale=C.UTF-8",
                "--no-sync",
            ],
            check=True,
            stdout=subprocess.DEVNULL,
            **unprivileged(),
        )
        self.start()

    def conninfo(self, database):
        return f"host={self.directory} user=parley dbname={database}"

    def connect(self, database="postgres"):
        """A connection in autocommit with parley's search_path; the caller closes it."""
        connection = psycopg.connect(self.conninfo(database), autocommit=True)
        connection.execute("set search_path = parley, public")
        return connection

    def start(self):
        log = open(os.path.join(self.directory, "log"), "ab")
        self.process = subprocess.Popen(
            [
                os.path.join(self.bindir, "postgres"),
                "-D",
                self.data,
                "-c",
                "listen_addresses=",
                "-c",
                f"unix_socket_directories={self.directory}",
                "-c",
                f"fsync={'on' if self.fsync else 'off'}",
                "-c",
                "max_connections=200",
                "-c",
                "shared_buffers=32MB",
                "-c",
                "log_min_messages=warning",
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            **unprivileged(),
        )
        log.close()
        deadline = time.monotonic() + START_S
        while True:
            try:
                self.connect().close()
                return
            except psycopg.OperationalError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError("PostgreSQL did not start:\n" + self.log()) from None
                time.sleep(0.05)

    def log(self):
        with open(os.path.join(self.directory, "log"), encoding="utf-8", errors="replace") as file:
            return file.read()

    def stop(self, immediate=False):
        """Stops the server; immediate is a crash, with recovery at the next start."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGQUIT if immediate else signal.SIGINT)
            self.process.wait(START_S)
        self.process = None

    def restart(self, immediate=False):
        self.stop(immediate)
        self.start()

    def drop(self):
        self.stop(immediate=True)
        shutil.rmtree(self.directory, ignore_errors=True)
