"""pgbouncer: Debian's PgBouncer in front of one PostgreSQL server.

Owns: its directory and its process. Knows nothing of: parleyd.

It listens on a unix socket in its directory. As root it runs as an unprivileged account.
"""

import os
import shutil
import signal
import subprocess

import psycopg

from postgres_server import private_directory, unprivileged, wait_until

PROGRAM = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
CONF = """
[databases]
* = host={server.directory} port={server.port}
[pgbouncer]
listen_addr =
listen_port = 6432
unix_socket_dir = {directory}
auth_type = trust
auth_file = {directory}/users
admin_users = {role}
pool_mode = {pool_mode}
max_client_conn = 100
default_pool_size = {pool_size}
"""


class PgBouncer:
    """server: the PostgresServer; role: its only user; pool_mode: session or transaction."""

    def __init__(self, server, role, pool_mode, pool_size=40):
        self.directory = private_directory("parley-pgbouncer-")
        self.role = role
        self.log_path = os.path.join(self.directory, "log")
        self.process = None
        with open(os.path.join(self.directory, "users"), "w", encoding="utf-8") as file:
            file.write(f'"{role}" ""\n')
        with open(os.path.join(self.directory, "ini"), "w", encoding="utf-8") as file:
            file.write(
                CONF.format(
                    server=server,
                    directory=self.directory,
                    role=role,
                    pool_mode=pool_mode,
                    pool_size=pool_size,
                )
            )
        self.start()

    def start(self):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [PROGRAM, os.path.join(self.directory, "ini")],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                **unprivileged(),
            )
        wait_until(self._is_up, "PgBouncer does not start", 20)

    def _is_up(self):
        assert self.process.poll() is None, self.log()
        try:
            psycopg.connect(self.conninfo("pgbouncer"), autocommit=True).close()
            return True
        except psycopg.OperationalError:
            return False

    def conninfo(self, dbname):
        return f"host={self.directory} port=6432 user={self.role} dbname={dbname}"

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def stop(self):
        """Ends PgBouncer at once, and with it all its connections."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(20)
        self.process = None

    def drop(self):
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)
