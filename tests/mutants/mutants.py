"""mutants: takes one mechanism out at a time and shows that a test fails without it.

    make mutants                     all of them
    make mutants ONLY=name,name      some of them

Each .patch beside this file says in its first lines the mechanism, the promise it serves and the
test that must fail, and then takes the mechanism out:

    mechanism: one sentence, as it stands in docs/reliability.md
    promise: an invariant of docs/design.md, or a promise of docs/api.md
    test: unit test_room what_comes_twice_is_pushed_once
       or integration test_limits.py::test_frames_are_limited

In a copy of the tree (build/mutants) the tests that are named are run once as things are: they must
pass. Then one patch at a time is applied, what depends on it is built, its test is run and must
fail: by a failure of its own. A build that breaks, a program that hangs or that cannot begin is no
proof. One line a mutant; the last is "N passed, N failed".

Owns: build/mutants. Knows nothing of: what the mechanisms are.
"""

import argparse
import collections
import contextlib
import glob
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD_S = 600
UNIT_S = 150  # a test program whole; a test that waits in vain gives up after 15 s
INTEGRATION_S = 180
LEAVE_S = 40  # for a pytest that is interrupted, to end its daemon and its PostgreSQL

# Where a test is added to its program, one in Check's log, a file in a patch.
ADDED = re.compile(r"tcase_add_(?:loop_)?test\(\s*\w+,\s*(\w+)[^;]*;")
CHECKED = re.compile(r"^[^:\n]+:\d+:([PFE]):[^:\n]+:(\w+):\d+:", re.MULTILINE)
PATCHED = re.compile(r"^\+\+\+ b/(\S+)", re.MULTILINE)

Mutant = collections.namedtuple("Mutant", "name patch kind where test")


class Stopped(Exception):
    """This mutant proves nothing: why."""


def read_mutant(path):
    with open(path, encoding="utf-8") as file:
        head = dict(line.split(": ", 1) for line in file.read().split("\n--- ")[0].splitlines())
    name = os.path.basename(path)[: -len(".patch")]
    kind, where = head["test"].split(" ", 1)
    if kind == "unit":
        where, test = where.split()
    else:
        test = where.split("::")[1]
    return Mutant(name, path, kind, where, test)


def run(argv, limit_s, **how):
    """What it prints and its status; None for one that was not done in time."""
    process = subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
        **how,
    )
    try:
        out, _ = process.communicate(timeout=limit_s)
        return out, process.returncode
    except subprocess.TimeoutExpired:
        return leave(process), None
    except KeyboardInterrupt:
        leave(process)
        raise


def leave(process):
    """Has it end what it started, and itself; what it has printed."""
    process.send_signal(signal.SIGINT)
    try:
        return process.communicate(timeout=LEAVE_S)[0]
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        return process.communicate()[0]


class Bench:
    """The copy of the tree, its build, and what the tests say there."""

    def __init__(self, build):
        self.release_build = build
        self.top = os.path.join(build, "mutants")
        self.tree = os.path.join(self.top, "tree")
        self.build = os.path.join(self.top, "build")

    def prepare(self):
        # Afresh each time: what was built of a patched file must never pass for the original.
        shutil.rmtree(self.top, ignore_errors=True)
        os.makedirs(self.build)
        self._must(["make", "-s", "distdir", "distdir=mutants/tree"], cwd=self.release_build)
        self._must([os.path.join(self.tree, "configure"), "-q"], cwd=self.build)

    def _must(self, argv, **how):
        out, status = run(argv, BUILD_S, **how)
        if status != 0:
            sys.exit(f"{out}\nmutants: {' '.join(argv)} failed")

    def make(self, *targets):
        jobs = f"-j{os.cpu_count()}"
        out, status = run(["make", "-s", jobs, *targets], BUILD_S, cwd=self.build)
        if status != 0:
            raise Stopped("it does not build:\n" + out[-2000:])

    def without(self, mutant):
        """Applies the patch; returns what restores the files."""
        with open(mutant.patch, encoding="utf-8") as file:
            paths = [os.path.join(self.tree, path) for path in PATCHED.findall(file.read())]
        before = {}
        for path in paths:
            with open(path, "rb") as file:
                before[path] = file.read()

        def restore():
            for path, content in before.items():
                with open(path, "wb") as file:
                    file.write(content)

        patch = ["patch", "-p1", "-F0", "-s", "-f", "-i", mutant.patch]
        out, status = run(patch, BUILD_S, cwd=self.tree)
        if status != 0:
            restore()
            raise Stopped("the patch does not apply:\n" + out)
        return restore

    # --- tests ---

    def unit(self, program, tests):
        """{test: failed} of these tests, the only ones that are left in the program."""
        source = os.path.join(self.tree, "tests", "unit", program + ".c")
        log = os.path.join(self.top, "unit.log")
        with open(source, encoding="utf-8") as file:
            whole = file.read()
        with open(source, "w", encoding="utf-8") as file:
            file.write(ADDED.sub(lambda m: m.group() if m.group(1) in tests else "", whole))
        open(log, "w", encoding="utf-8").close()
        try:
            self.make(f"tests/unit/{program}")
            env = {**os.environ, "srcdir": self.tree, "CK_LOG_FILE_NAME": log}
            out, status = run([f"tests/unit/{program}"], UNIT_S, cwd=self.build, env=env)
        finally:
            with open(source, "w", encoding="utf-8") as file:
                file.write(whole)
        if status is None:
            raise Stopped(f"{program} hangs:\n" + out[-2000:])
        with open(log, encoding="utf-8", errors="replace") as file:
            results = CHECKED.findall(file.read())
        failed = {}
        for result, test in results:
            failed[test] = failed.get(test, False) or result != "P"
        return failed, out

    def integration(self, *wheres):
        """{test: failed} of some tests of the whole daemon."""
        self.make("parleyd", "parleyctl")
        report = os.path.join(self.top, "integration.xml")
        if os.path.exists(report):
            os.remove(report)
        tests = os.path.join(self.tree, "tests")
        argv = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--rootdir", tests]
        argv += ["-q", "--junitxml", report]
        argv += [os.path.join(tests, "integration", where) for where in wheres]
        env = {**os.environ, "PARLEY_BUILD": self.build, "PYTHONDONTWRITEBYTECODE": "1"}
        try:
            out, status = run(argv, INTEGRATION_S * len(wheres), cwd=self.build, env=env)
        finally:
            self.sweep()
        if status is None:
            raise Stopped("it hangs:\n" + out[-2000:])
        failed = {}
        for case in ElementTree.parse(report).iter("testcase"):
            test = case.get("name").split("[")[0]
            error = case.find("error")
            if error is not None and not error.get("message").startswith("failed on teardown"):
                raise Stopped("it cannot begin:\n" + out[-2000:])
            if case.find("skipped") is None:
                bad = error is not None or case.find("failure") is not None
                failed[test] = failed.get(test, False) or bad
        return failed, out


    def sweep(self):
        """Ends what runs from this build: without what makes it leave, a daemon stays."""
        for exe in glob.glob("/proc/[0-9]*/exe"):
            with contextlib.suppress(OSError):
                if os.readlink(exe).startswith(self.build + os.sep):
                    os.kill(int(exe.split(os.sep)[2]), signal.SIGKILL)


class Verdicts:
    def __init__(self, bench, mutants):
        self.bench = bench
        self.mutants = mutants
        self.passed = self.failed = 0
        self.as_is = {}  # {test: failed} by program, and of all integration tests

    def say(self, good, text):
        self.passed += good
        self.failed += not good
        print(text, flush=True)

    def original(self, mutant):
        """Demands that the test passes as things are; those of one program are run together."""
        if mutant.kind == "unit":
            if mutant.where not in self.as_is:
                tests = [m.test for m in self.mutants if m.where == mutant.where]
                self.as_is[mutant.where] = self.bench.unit(mutant.where, tests)
            failed, out = self.as_is[mutant.where]
        else:
            if "integration" not in self.as_is:
                wheres = dict.fromkeys(m.where for m in self.mutants if m.kind == "integration")
                self.as_is["integration"] = self.bench.integration(*wheres)
            failed, out = self.as_is["integration"]
        if mutant.test not in failed:
            raise Stopped("there is no such test:\n" + out[-2000:])
        if failed[mutant.test]:
            raise Stopped("its test fails without it, too:\n" + out[-4000:])

    def mutated(self, mutant):
        """Whether the test fails."""
        if mutant.kind == "unit":
            failed, out = self.bench.unit(mutant.where, [mutant.test])
        else:
            failed, out = self.bench.integration(mutant.where)
        if mutant.test not in failed:
            raise Stopped("the test was not reached:\n" + out[-2000:])
        return failed[mutant.test]

    def judge(self, mutant):
        began = time.monotonic()
        try:
            self.original(mutant)
            restore = self.bench.without(mutant)
            try:
                killed = self.mutated(mutant)
            finally:
                restore()
        except Stopped as why:
            self.say(False, f"FAILED    {mutant.name}: {why}")
            return
        took = f"{time.monotonic() - began:.0f} s"
        by = f"{mutant.where} {mutant.test}" if mutant.kind == "unit" else mutant.where
        if killed:
            self.say(True, f"killed    {mutant.name} by {by} ({took})")
        else:
            self.say(False, f"SURVIVED  {mutant.name}: {by} passes ({took})")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default="", help="names with commas between them")
    parser.add_argument("build", help="the build directory; its configure has run")
    args = parser.parse_args()
    mutants = [read_mutant(path) for path in sorted(glob.glob(os.path.join(HERE, "*.patch")))]
    only = [name for name in args.only.split(",") if name]
    unknown = set(only) - {mutant.name for mutant in mutants}
    if unknown:
        sys.exit(f"mutants: there is no {', '.join(sorted(unknown))}.patch")
    if only:
        mutants = [mutant for mutant in mutants if mutant.name in only]
    # In the background of a shell it is ignored, and so it would be by all that is run here.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    bench = Bench(os.path.abspath(args.build))
    bench.prepare()
    verdicts = Verdicts(bench, mutants)
    for mutant in mutants:
        verdicts.judge(mutant)
    print(f"{verdicts.passed} passed, {verdicts.failed} failed")
    return verdicts.failed > 0 or not mutants


if __name__ == "__main__":
    sys.exit(main())
