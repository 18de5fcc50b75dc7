"""The command lines of parleyd, parleyctl and parley-mock: options, exit codes, output."""

import os
import pathlib
import re
import subprocess

import pytest

import expect
from client import Http, Person
from conftest import new_person, run_daemon
from parleyd import Parleyd, free_port, program
from polling import wait_for

CONF_DEF = pathlib.Path(__file__).parents[2] / "common" / "conf.def"


def settings():
    """The names of all settings."""
    return set(re.findall(r"^[A-Z_]+\(\s*(\w+),", CONF_DEF.read_text(), re.MULTILINE))


def run(name, *args):
    return subprocess.run(
        [program(name), *args], capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture
def conf(tmp_path):
    """conf(text): the path of a config file with this text."""

    def write(text):
        path = tmp_path / "parleyd.conf"
        path.write_text(text)
        return str(path)

    return write


# --- help ---


@pytest.mark.parametrize("name", ["parleyd", "parleyctl", "parley-mock"])
def test_help_is_printed_with_exit_0(name):
    done = run(name, "--help")
    assert done.returncode == 0
    assert "usage" in done.stdout.lower() and "-c" in done.stdout
    assert not done.stderr


@pytest.mark.parametrize("name", ["parleyd", "parleyctl", "parley-mock"])
def test_an_unknown_option_is_exit_2(name):
    done = run(name, "--no-such-option")
    assert done.returncode == 2
    assert done.stderr


@pytest.mark.parametrize(
    "args", [["-c", "/dev/null"], ["-c", "/dev/null", "dance"], ["-c", "/dev/null", "token"]]
)
def test_parleyctl_with_a_wrong_command_is_exit_2(args):
    done = run("parleyctl", *args)
    assert done.returncode == 2
    assert done.stderr


# --- parleyd -t ---


def test_t_prints_every_setting_in_force(conf):
    done = run(
        "parleyd",
        "-c",
        conf('workers = 3\nlisten = {"127.0.0.1:8091", "[::1]:8091"}\nrate_limits = off\n'),
        "-t",
    )
    assert done.returncode == 0, done.stderr
    lines = dict(re.findall(r"^(\w+)\s*=\s*(.*)$", done.stdout, re.MULTILINE))
    assert settings() == set(lines)
    assert lines["workers"] == "3"
    assert (
        lines["token_lifetime"] == "2592000" and lines["ping_interval"] == "25"
    ), "defaults are printed too"
    assert "127.0.0.1:8091" in done.stdout and "[::1]:8091" in done.stdout


def test_the_output_of_t_is_an_equivalent_config_file(conf):
    first = run(
        "parleyd",
        "-c",
        conf('allowed_origins = {"https://chat.example"}\nlog_level = "warn"\n'),
        "-t",
    ).stdout
    assert run("parleyd", "-c", conf(first), "-t").stdout == first


@pytest.mark.parametrize(
    "text, line, word",
    [
        ("workers = 2\nno_such_key = 1\n", 2, "no_such_key"),
        ("\n\nworkers = many\n", 3, "workers"),
        ("workers = -1\n", 1, "workers"),
        ("workers = 100000\n", 1, "workers"),
        ("# a comment\nlisten = {\"localhost\"}\n", 2, "listen"),
        ("listen = {\"127.0.0.1:99999\"}\n", 1, "listen"),
        ("rate_limits = perhaps\n", 1, "rate_limits"),
        ("ping_interval = 0\n", 1, "ping_interval"),
        ("token_lifetime = 1\n", 1, "token_lifetime"),
        ("log_level = \"loud\"\n", 1, "log_level"),
        ("log_target = \"somewhere\"\n", 1, "log_target"),
        ("allowed_origins = {\"chat.example\"}\n", 1, "allowed_origins"),
        ("trusted_proxies = {\"proxy\"}\n", 1, "trusted_proxies"),
        ("ring_size = 5\n", 1, "ring_size"),
        ("workers 2\n", 1, ""),
        ("listen = {\"127.0.0.1:80\"", 1, ""),
    ],
)
def test_a_bad_config_is_exit_2_with_file_and_line(conf, text, line, word):
    path = conf(text)
    for args in (["-t"], ["-F"], []):
        done = run("parleyd", "-c", path, *args)
        assert done.returncode == 2, (done.returncode, done.stderr)
        assert f"{path}:{line}:" in done.stderr, done.stderr
        assert word in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1, "one line"
    assert run("parleyctl", "-c", path, "status").returncode == 2


def test_a_missing_config_is_exit_2_and_named():
    done = run("parleyd", "-c", "/no/such/parleyd.conf", "-t")
    assert done.returncode == 2
    assert "/no/such/parleyd.conf" in done.stderr


# --- starting ---


def test_a_port_in_use_is_exit_1_with_its_address(cluster, daemon):
    second = Parleyd(cluster, listen=[f"127.0.0.1:{daemon.port}"])
    done = run("parleyd", "-c", second.conf, "-F")
    assert done.returncode == 1
    assert f"127.0.0.1:{daemon.port}" in done.stderr and "in use" in done.stderr.lower()
    second.drop()


def test_parleyd_listens_on_several_addresses(cluster):
    second = free_port()
    daemon = Parleyd(cluster)
    daemon.settings["listen"].append(f"127.0.0.1:{second}")
    daemon.write_conf()
    daemon.start()
    assert Http(f"http://127.0.0.1:{second}").get("/healthz").status_code == 200
    assert daemon.stop() == 0
    daemon.drop()


def test_a_database_of_a_newer_parleyd_is_rejected(cluster):
    for daemon in run_daemon(cluster):
        assert daemon.stop() == 0
        daemon.sql("insert into schema_migrations (version, name) values (9999, 'from the future')")
        done = run("parleyd", "-c", daemon.conf, "-F")
        assert done.returncode == 1
        assert "newer" in done.stderr
        done = daemon.ctl("migrate", check=False)
        assert done.returncode == 1 and "newer" in done.stderr


def test_the_log_file_contains_no_secret(cluster, tmp_path):
    path = str(tmp_path / "parleyd.log")
    for daemon in run_daemon(cluster, log_target=path, log_level="debug"):
        alice, bob = new_person(daemon), new_person(daemon)
        alice.ws().ask(
            {"type": "send", "id": "x", "receiver_id": bob.id, "content": "the text of a message"},
            "ack",
        )
        http = Http(daemon.url(""))
        http.post(
            "/users/register",
            {"username": "secretive", "full_name": "S", "password": "my secret password"},
        )
        token = http.post(
            "/users/login", {"username": "secretive", "password": "my secret password"}
        ).json()["access_token"]
        http.get("/users/me", headers={"Authorization": f"Bearer {token}"})
        http.get("/users/me", headers={"Authorization": "Bearer not-a-token-of-ours"})
        for one in (alice, bob, http):
            one.close()
        assert daemon.stop() == 0
        with open(path, encoding="utf-8") as file:
            text = file.read()
        for secret in (
            "the text of a message",
            "my secret password",
            token,
            alice.token,
            bob.token,
            "not-a-token-of-ours",
        ):
            assert secret not in text
        lines = text.splitlines()
        assert all(
            re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (debug|info|warn|error) ", line)
            for line in lines
        )
        assert sum(" connected " in line or line.endswith(" connected") for line in lines) >= 1


def test_reload_reopens_a_renamed_log_file(cluster, tmp_path):
    path = tmp_path / "parleyd.log"
    for daemon in run_daemon(cluster, log_target=str(path)):
        path.rename(tmp_path / "parleyd.log.1")
        daemon.ctl("reload")
        wait_for(path.exists)
        one = new_person(daemon)
        one.ws()
        one.close()
        wait_for(lambda: " closed " in path.read_text())


def test_reopen_reopens_a_renamed_log_file_and_follows_no_link(cluster, tmp_path):
    path = tmp_path / "parleyd.log"
    for daemon in run_daemon(cluster, log_target=str(path)):
        path.rename(tmp_path / "parleyd.log.1")
        daemon.ctl("reopen")
        assert path.exists()
        one = new_person(daemon)
        one.ws()
        one.close()
        wait_for(lambda: " closed " in path.read_text())
        path.rename(tmp_path / "parleyd.log.3")
        path.symlink_to(tmp_path / "parleyd.log.1")
        done = daemon.ctl("reopen", check=False)
        assert done.returncode == 1 and "symbolic link" in done.stderr
        path.unlink()


# --- parleyctl ---


def test_status_shows_the_master_and_every_worker(daemon):
    status = daemon.status()
    assert status["master_pid"] == daemon.process.pid
    assert [worker["slot"] for worker in status["workers"]] == [0, 1]
    for worker in status["workers"]:
        assert {"slot", "pid", "connections"} <= set(worker)
        assert os.path.exists(f"/proc/{worker['pid']}")
    text = daemon.ctl("status").stdout
    for worker in status["workers"]:
        assert str(worker["pid"]) in text


def test_status_without_a_daemon_is_exit_1(cluster):
    other = Parleyd(cluster)
    done = other.ctl("status", check=False)
    assert done.returncode == 1 and done.stderr
    other.drop()


def test_token_prints_a_valid_token(daemon, alice):
    done = daemon.ctl("token", alice.username)
    token = done.stdout.strip()
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", token)
    one = Person(daemon, alice.id, alice.username, alice.full_name, token)
    assert one.get("/users/me").json()["user_id"] == alice.id
    one.ws()
    one.close()


def test_token_for_an_unknown_user_is_exit_1(daemon):
    done = daemon.ctl("token", "no.such.user", check=False)
    assert done.returncode == 1
    assert "no.such.user" in done.stderr and not done.stdout


def test_migrate_may_be_repeated(cluster):
    other = Parleyd(cluster)
    for _ in range(2):
        assert other.ctl("migrate").returncode == 0
    assert other.sql("select count(*) from users") == [(0,)]
    other.drop()


def test_two_migrations_at_once_both_succeed(cluster):
    other = Parleyd(cluster)
    both = [
        subprocess.Popen(
            [program("parleyctl"), "-c", other.conf, "migrate"], stderr=subprocess.PIPE
        )
        for _ in range(2)
    ]
    for one in both:
        _, errors = one.communicate(timeout=60)
        assert one.returncode == 0, errors
    other.drop()


def test_reset_database_empties_it_only_with_yes(cluster):
    for daemon in run_daemon(cluster):
        new_person(daemon).close()
        assert daemon.stop() == 0
        done = daemon.ctl("reset-database", check=False)
        assert done.returncode == 2 and "--yes" in done.stderr
        assert daemon.sql("select count(*) from users") == [(1,)]
        daemon.ctl("reset-database", "--yes")
        assert daemon.sql("select count(*) from users") == [(0,)]
        daemon.start()
        alice, bob = new_person(daemon), new_person(daemon)
        alice.send(bob.id, "a fresh start")
        for one in (alice, bob):
            one.close()


def test_reload_applies_live_settings_on_every_worker(cluster):
    for daemon in run_daemon(cluster):
        alice = new_person(daemon)
        cookie = {"Cookie": f"parley_session={alice.token}", "Origin": "https://new.example"}
        http = Http(daemon.url(""))
        ws = alice.ws()
        expect.problem(http.patch("/users/me", {"full_name": "x"}, headers=cookie), 403)
        daemon.settings["allowed_origins"] = ["https://new.example"]
        daemon.write_conf()
        assert daemon.ctl("reload").returncode == 0

        def allowed():
            answers = []
            for _ in range(6):  # new connections reach all workers
                one = Http(daemon.url(""))
                answers.append(
                    one.patch("/users/me", {"full_name": "x"}, headers=cookie).status_code
                )
                one.close()
            return answers == [200] * 6

        wait_for(allowed)
        ws.drain()
        assert daemon.process.poll() is None
        http.close()
        alice.close()


def test_a_reload_of_a_bad_config_changes_nothing(cluster):
    for daemon in run_daemon(cluster):
        alice = new_person(daemon)
        ws = alice.ws()
        with open(daemon.conf, "a", encoding="utf-8") as file:
            file.write("no_such_key = 1\n")
        done = daemon.ctl("reload", check=False)
        assert done.returncode == 2 and "no_such_key" in done.stderr
        ws.drain()
        assert daemon.healthy()
        daemon.write_conf()
        alice.close()


def test_stop_closes_sockets_with_1001_and_ends_all_processes(cluster):
    for daemon in run_daemon(cluster):
        alice = new_person(daemon)
        ws = alice.ws()
        pids = [worker["pid"] for worker in daemon.workers()]
        assert daemon.ctl("stop").returncode == 0
        assert ws.until_closed() == 1001
        assert daemon.process.wait(20) == 0
        for pid in pids:
            wait_for(lambda pid=pid: not os.path.exists(f"/proc/{pid}"))
        assert not os.path.exists(daemon.settings["pid_file"])
        alice.close()


# --- parley-mock ---


def mock(daemon, *more):
    return subprocess.run(
        [
            program("parley-mock"),
            "-c",
            daemon.conf,
            "--users",
            "50",
            "--groups",
            "4",
            "--members",
            "10",
            "--messages",
            "500",
            "--seed",
            "7",
            *more,
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )


CONTENT = (
    "select string_agg(m.content, '|' order by m.message_id), count(*) "
    "from messages m where m.kind = 't'",
    "select string_agg(u.username || u.full_name, '|' order by u.user_id), count(*) from users u",
)


WRONG_ORDER = """
    select count(*) from (select conv_id, activity, row_number() over (order by sent_at) as nth,
            row_number() over (order by activity) as place
        from conversations join messages using (conv_id) where seq = last_seq) x
    where nth <> place or activity > (select last_value from activities)"""
WRONG_COUNTS = """
    select count(*) from conversations c
    where member_count <> (select count(*) from members m where m.conv_id = c.conv_id)"""

REPLIES = """
    select count(*) > 20, count(*) filter (where q.conv_id <> m.conv_id or q.seq >= m.seq or q.kind <> 't'
        or m.thread_id <> coalesce(q.thread_id, q.message_id) or t.seq is null
        or r.replies <> (select count(*) from messages x where x.reply_to = q.message_id))
    from messages m join messages q on q.message_id = m.reply_to
    left join thread_messages t on t.thread_id = m.thread_id and t.seq = m.seq
    left join replied r on r.message_id = q.message_id"""
REACTIONS = "select count(*) > 0 from reactions"
WRONG_REACTIONS = (
    "select count(*) from reaction_counts k where n <> (select count(*) from reactions r"
    " where r.message_id = k.message_id and r.emoji = k.emoji)",
    "select count(*) from conversations c where last_mod > 0"
    " and last_mod <> (select max(mod) from messages m where m.conv_id = c.conv_id)",
    "select count(*) from (select conv_id, mod from pins union all select conv_id, r.mod from"
    " reactions r join messages using (message_id)) x group by conv_id, mod having count(*) > 1",
)


@pytest.mark.no_valgrind("bounds of time")
def test_mock_data_is_consistent_and_the_same_for_the_same_seed(cluster, tmp_path):
    contents = []
    for round_ in range(2):
        for daemon in run_daemon(cluster):
            tokens = tmp_path / f"tokens{round_}"
            done = mock(daemon, "--tokens", str(tokens))
            contents.append([daemon.sql(query) for query in CONTENT])
            assert contents[-1][0][0][1] == 500 and contents[-1][1][0][1] >= 50
            assert daemon.sql(WRONG_ORDER) == [(0,)] and daemon.sql(WRONG_COUNTS) == [(0,)]
            assert daemon.sql(REPLIES) == [(True, 0)]
            assert daemon.sql(REACTIONS) == [(True,)]
            wrong = [daemon.sql(query) for query in WRONG_REACTIONS]
            assert wrong == [[(0,)], [(0,)], []]
            assert daemon.sql("select count(*) from users where folded_name is null") == [(0,)]
            lines = [line.split(",") for line in tokens.read_text().split()]
            assert len(lines) == 50
            for user_id, token, group_id in lines[:10]:
                one = Http(daemon.url(""), token)
                assert one.get("/users/me").json()["user_id"] == int(user_id)
                if group_id:
                    assert one.get(f"/groups/{group_id}").status_code == 200
                for chat in one.get("/chats").json()["chats"]:
                    expect.chat(chat)
                    messages = one.get(f"/messages/{chat['chat_id']}?after=0&limit=200").json()[
                        "messages"
                    ]
                    assert [m["seq"] for m in messages] == list(range(1, len(messages) + 1))
                    assert (
                        chat["last_seq"] == chat["last_message"]["seq"]
                        and chat["last_mod"] >= chat["last_seq"]
                    )
                one.close()
            username, password = login_of(done.stdout)
            http = Http(daemon.url(""))
            assert (
                http.post("/users/login", {"username": username, "password": password}).status_code
                == 200
            )
            http.close()
    assert contents[0] == contents[1]


def login_of(text):
    """The username and password that parley-mock prints."""
    found = re.search(
        r"(?:username|user|login|log in)\W+(?:as\W+)?([a-z0-9_.-]{3,32})\W.*?password\W+(\S+)",
        text,
        re.IGNORECASE | re.DOTALL,
    )
    assert found, text
    return found.group(1), found.group(2).strip("'\"`.,")
