"""e2e_server: a parleyd with its database for the browser tests in frontend/e2e.

Owns: one cluster, one parleyd. Knows nothing of: the page.

The only argument is the directory of the page. Commands are lines on standard input, answers are
JSON objects on standard output, one a line. The first answer is {"port", "conf"}.
    kill_worker SLOT    kills this worker, and waits for its successor
    pg_stop             stops PostgreSQL
    pg_start            starts it again
    backup              makes a backup of the database
    restore             puts the database back as it was at the backup
    sql STATEMENT       runs a statement in the database
    user NAME PASSWORD  makes a user without a full name; the answer is {"id", "token"}
    stop                ends the process; the answer is {"status", "complaints"} (see parleyd.py)
The end of the input ends the process without an answer.
"""

import json
import os
import signal
import subprocess
import sys

from accounts import new_token, stored_password
from cluster import Cluster
from parleyd import Parleyd
from postgres_server import bindir


def answer(**fields):
    print(json.dumps(fields), flush=True)


def kill_worker(daemon, slot):
    daemon.wait_until_replaced(slot, daemon.kill_worker(slot))


def run_tool(daemon, name, database, *args):
    tool = os.path.join(bindir(), name)
    subprocess.run([tool, "-d", daemon.cluster.conninfo(database), *args], check=True)


def backup(daemon):
    run_tool(daemon, "pg_dump", daemon.database, "-Fc", "-f", backup_path(daemon))


def restore(daemon):
    for statement in ("drop database {} with (force)", "create database {}"):
        run_tool(daemon, "psql", "postgres", "-q", "-c", statement.format(daemon.database))
    run_tool(daemon, "pg_restore", daemon.database, "--exit-on-error", backup_path(daemon))


def backup_path(daemon):
    return os.path.join(daemon.directory, "backup")


def new_user(daemon, username, password):
    """Inserts a user with a token, without the time that the hash of a password takes."""
    user_id = daemon.sql(
        "insert into users (username, full_name, password) values (%s, '', %s) returning user_id",
        username,
        stored_password(password),
    )[0][0]
    return {"id": user_id, "token": new_token(daemon, user_id)}


def run_commands(daemon):
    """Executes the commands until `stop` or the end of the input."""
    for line in sys.stdin:
        command, *args = line.split()
        if command == "kill_worker":
            kill_worker(daemon, int(args[0]))
        elif command == "pg_stop":
            daemon.cluster.stop()
        elif command == "pg_start":
            daemon.cluster.start()
        elif command == "backup":
            backup(daemon)
        elif command == "restore":
            restore(daemon)
        elif command == "sql":
            daemon.sql(line.split(None, 1)[1])
        elif command == "user":
            answer(**new_user(daemon, *args))
            continue
        elif command == "stop":
            status = daemon.stop()
            answer(status=status, complaints=daemon.complaints())
            return
        else:
            raise ValueError(f"unknown command {command!r}")
        answer(done=command)


def main():
    # An interrupt from the keyboard also reaches the parent, which closes the input.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cluster = Cluster(fsync=False)
    try:
        daemon = Parleyd(cluster, web_root=os.path.abspath(sys.argv[1]))
        try:
            daemon.start()
            answer(port=daemon.port, conf=daemon.conf)
            run_commands(daemon)
        finally:
            daemon.drop()
    finally:
        cluster.drop()


if __name__ == "__main__":
    main()
