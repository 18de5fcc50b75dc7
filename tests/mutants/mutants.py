"""mutants: mutation tests. Removes one mechanism at a time and requires that a test fails.

    make mutants                     all mutants
    make mutants ONLY=name,name      some of them
    make mutants-table               updates the table in docs/reliability.md

README.md describes the format of a mutant. The tree is copied to build/mutants and built there.
The baseline comes first: the named tests run on the unchanged copy and must pass. Then each mutant
is applied, the programs that depend on it are built, and its test must fail on its own. A mutant
that does not build, and a test that hangs or does not start, are inconclusive and count as failed.
One line per mutant; the last line is "N passed, N failed".

Owns: build/mutants. Knows nothing of: the mechanisms.
"""

import argparse
import contextlib
import glob
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree

import catalog
from mutant import MutantError, Tree

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD_S = 600
UNIT_S = 150  # for one test program; a single test times out after 15 s
INTEGRATION_S = 180  # for one test
TERMINATE_S = 40  # for an interrupted pytest to stop its daemon and its PostgreSQL

# A result in Check's log.
RESULT = re.compile(r"^[^:\n]+:\d+:([PFE]):[^:\n]+:(\w+):\d+:", re.MULTILINE)


class Inconclusive(Exception):
    """The mutant was neither killed nor did it survive; the text says why."""


def run(argv, limit_s, **kwargs):
    """Runs a command. Returns its output and its exit status, or None after a timeout.

    The output goes through a file: a process that the command leaves behind would keep a pipe open.
    """
    with tempfile.TemporaryFile(mode="w+", encoding="utf-8", errors="replace") as output:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            **kwargs,
        )
        try:
            status = process.wait(timeout=limit_s)
        except subprocess.TimeoutExpired:
            terminate(process)
            status = None
        except KeyboardInterrupt:
            terminate(process)
            raise
        output.seek(0)
        return output.read(), status


def terminate(process):
    """Interrupts a process, and kills its session if that does not suffice."""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(timeout=TERMINATE_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


class Workspace:
    """The copy of the tree, its build, and the tests that run there."""

    def __init__(self, build):
        self.release_build = build
        self.top = os.path.join(build, "mutants")
        self.tree = os.path.join(self.top, "tree")
        self.build = os.path.join(self.top, "build")

    def prepare(self):
        # Objects of a mutated file must not be taken for those of the original.
        shutil.rmtree(self.top, ignore_errors=True)
        os.makedirs(self.build)
        self._must(["make", "-s", "distdir", "distdir=mutants/tree"], cwd=self.release_build)
        self._must([os.path.join(self.tree, "configure"), "-q"], cwd=self.build)

    def _must(self, argv, **kwargs):
        out, status = run(argv, BUILD_S, **kwargs)
        if status != 0:
            sys.exit(f"{out}\nmutants: {' '.join(argv)} failed")

    def make(self, *targets):
        jobs = f"-j{os.cpu_count()}"
        out, status = run(["make", "-s", jobs, *targets], BUILD_S, cwd=self.build)
        if status != 0:
            raise Inconclusive("does not build:\n" + out[-2000:])

    @contextlib.contextmanager
    def mutated(self, mutant):
        """Applies a mutant for the duration of a with statement."""
        try:
            mutated = Tree(self.tree).mutate(mutant)
        except MutantError as error:
            raise Inconclusive(f"does not apply: {error}") from error
        original = {}
        for path in mutated:
            with open(path, "rb") as file:
                original[path] = file.read()
        try:
            for path, text in mutated.items():
                with open(path, "w", encoding="utf-8") as file:
                    file.write(text)
            yield
        finally:
            for path, content in original.items():
                with open(path, "wb") as file:
                    file.write(content)

    # --- tests ---

    def unit(self, file, tests):
        """Runs these tests of a program. Returns {test: True if it failed} and the output."""
        program = os.path.join("tests", "unit", os.path.splitext(file)[0])
        source = os.path.join(self.tree, program + ".c")
        log = os.path.join(self.top, "unit.log")
        with open(source, encoding="utf-8") as text:
            whole = text.read()
        selected = catalog.ADDED.sub(lambda m: m.group() if m.group(1) in tests else "", whole)
        with open(source, "w", encoding="utf-8") as text:
            text.write(selected)
        open(log, "w", encoding="utf-8").close()
        try:
            self.make(program)
            env = {**os.environ, "srcdir": self.tree, "CK_LOG_FILE_NAME": log}
            out, status = run([program], UNIT_S, cwd=self.build, env=env)
        finally:
            with open(source, "w", encoding="utf-8") as text:
                text.write(whole)
            self.kill_leftovers()
        if status is None:
            raise Inconclusive(f"{file} hangs:\n" + out[-2000:])
        with open(log, encoding="utf-8", errors="replace") as text:
            results = RESULT.findall(text.read())
        failed = {}
        for result, test in results:
            failed[test] = failed.get(test, False) or result != "P"
        return failed, out

    def integration(self, *nodes):
        """Runs pytest nodes. Returns {test: True if it failed, None if it did not start}, the output."""
        self.make("parleyd", "parleyd-faults", "parleyctl")
        report = os.path.join(self.top, "integration.xml")
        if os.path.exists(report):
            os.remove(report)
        tests = os.path.join(self.tree, "tests")
        argv = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--rootdir", tests]
        argv += ["-q", "--junitxml", report]
        argv += [os.path.join(tests, "integration", node) for node in nodes]
        env = {**os.environ, "PARLEY_BUILD": self.build, "PYTHONDONTWRITEBYTECODE": "1"}
        try:
            out, status = run(argv, INTEGRATION_S * len(nodes), cwd=self.build, env=env)
        finally:
            self.kill_leftovers()
        if status is None:
            raise Inconclusive("the test hangs:\n" + out[-2000:])
        failed = {}
        for case in ElementTree.parse(report).iter("testcase"):
            test = case.get("name").split("[")[0]
            error = case.find("error")
            if error is not None and not error.get("message").startswith("failed on teardown"):
                failed[test] = None
            elif case.find("skipped") is None and failed.get(test, False) is not None:
                bad = error is not None or case.find("failure") is not None
                failed[test] = failed.get(test, False) or bad
        return failed, out

    def kill_leftovers(self):
        """Kills processes of this build. Some mutants keep a daemon from exiting."""
        for exe in glob.glob("/proc/[0-9]*/exe"):
            with contextlib.suppress(OSError):
                if os.readlink(exe).startswith(self.build + os.sep):
                    os.kill(int(exe.split(os.sep)[2]), signal.SIGKILL)


class MutationRun:
    """Runs the mutants and counts the results."""

    def __init__(self, workspace, mutants):
        self.workspace = workspace
        self.mutants = mutants
        self.passed = self.failed = 0
        # Results on the unchanged tree, by unit test file and for all integration tests.
        self.baseline = {}

    def report(self, good, text):
        self.passed += good
        self.failed += not good
        print(text, flush=True)

    def require_baseline(self, mutant):
        """Requires that the mutant's test passes on the unchanged tree. The tests of one program
        run together."""
        file, _, name = mutant.test.partition("::")
        tests = [other.test for other in self.mutants]
        if file.endswith(".c"):
            key = file
            if key not in self.baseline:
                names = [test.split("::")[1] for test in tests if test.startswith(file + "::")]
                self.baseline[key] = self.workspace.unit(file, names)
        else:
            key = "integration"
            if key not in self.baseline:
                nodes = dict.fromkeys(test for test in tests if ".py::" in test)
                self.baseline[key] = self.workspace.integration(*nodes)
        failed, out = self.baseline[key]
        if name not in failed:
            raise Inconclusive("no such test:\n" + out[-2000:])
        if failed[name] is not False:
            raise Inconclusive("the test fails on the unchanged tree:\n" + out[-4000:])

    def is_killed(self, mutant):
        """Returns True if the mutant's test fails. The mutant must have been applied."""
        file, _, name = mutant.test.partition("::")
        if file.endswith(".c"):
            failed, out = self.workspace.unit(file, [name])
        else:
            failed, out = self.workspace.integration(mutant.test)
        if name not in failed:
            raise Inconclusive("the test did not run:\n" + out[-2000:])
        if failed[name] is None:
            raise Inconclusive("the test does not start:\n" + out[-2000:])
        return failed[name]

    def test(self, mutant):
        """Tests one mutant and reports the result."""
        start = time.monotonic()
        try:
            self.require_baseline(mutant)
            with self.workspace.mutated(mutant):
                killed = self.is_killed(mutant)
        except Inconclusive as why:
            self.report(False, f"FAILED    {mutant.name}: {why}")
            return
        took = f"{time.monotonic() - start:.0f} s"
        if killed:
            self.report(True, f"killed    {mutant.name} by {mutant.test} ({took})")
        else:
            self.report(False, f"SURVIVED  {mutant.name}: {mutant.test} passes ({took})")


def fail(errors):
    """Prints the errors. Returns the exit status."""
    print(*errors, sep="\n", file=sys.stderr)
    return 1


def select(mutants, only):
    """Returns the mutants with the names in a comma-separated list, all if it is empty."""
    names = [name for name in only.split(",") if name]
    unknown = set(names) - {mutant.name for mutant in mutants}
    if unknown:
        sys.exit(f"mutants: no such mutant: {', '.join(sorted(unknown))}")
    return [mutant for mutant in mutants if mutant.name in names] if names else mutants


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default="", help="names of mutants, separated by commas")
    mode = parser.add_mutually_exclusive_group(required=True)
    mode.add_argument("build", nargs="?", help="run the mutants: a configured build directory")
    mode.add_argument("--check", metavar="TREE", help="check the mutants of a source tree")
    mode.add_argument("--table", action="store_true", help="print the table")
    mode.add_argument("--update-table", metavar="TREE", help="update the table in the document")
    args = parser.parse_args()
    if args.check:
        errors = catalog.check(args.check)
        return fail(errors) if errors else 0
    mutants, errors = catalog.load(args.update_table or TOP)
    if errors:
        return fail(errors)
    if args.table:
        print(catalog.table(mutants), end="")
        return 0
    if args.update_table:
        catalog.update_table(args.update_table, mutants)
        return 0
    # A shell ignores SIGINT in background jobs, and child processes would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    mutants = select(mutants, args.only)
    workspace = Workspace(os.path.abspath(args.build))
    workspace.prepare()
    mutation_run = MutationRun(workspace, mutants)
    for mutant in mutants:
        mutation_run.test(mutant)
    print(f"{mutation_run.passed} passed, {mutation_run.failed} failed")
    return mutation_run.failed > 0 or not mutants


if __name__ == "__main__":
    sys.exit(main())
