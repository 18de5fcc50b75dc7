"""campaign: builds the fuzz targets with clang's libFuzzer and the sanitizers, and runs them.

    make fuzz                            each target for a minute, one after the other
    make fuzz MINUTES=10 JOBS=2
    make fuzz TARGETS="http ring"
    make fuzz-corpus                     minimises the inputs of the runs into tests/fuzz/corpus

Owns: the directory fuzz/ of the build: programs, logs, dictionaries, `corpus` with the inputs that
runs have added, and `crashes` with failing inputs, TARGET-crash-HASH.
Knows nothing of: the targets.

Prints one line a target, and fails if there is a crash. A run starts from the committed corpus and
the inputs of earlier runs. To repeat a crash:
`build/fuzz/tests/fuzz/fuzz_TARGET build/fuzz/crashes/TARGET-crash-HASH`.
"""

import argparse
import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
TARGETS = tuple(sorted(path.stem.removeprefix("fuzz_") for path in HERE.glob("fuzz_*.c")))
SOURCE = HERE.parent.parent
FUZZ = pathlib.Path(os.environ.get("PARLEY_BUILD", SOURCE / "build")) / "fuzz"
CORPUS = HERE / "corpus"
LEN_MAX = 4096  # bytes of an input
INPUT_S = 10  # timeout of one input
ENV = {**os.environ, "srcdir": str(SOURCE)}


def build(targets):
    """Builds the programs in a directory of their own."""
    if shutil.which("clang") is None:
        sys.exit("make fuzz needs clang and its libFuzzer: apt install clang llvm")
    FUZZ.mkdir(parents=True, exist_ok=True)
    if not (FUZZ / "Makefile").exists():
        flags = "-g -O1 -fsanitize=fuzzer-no-link -Wno-format-nonliteral -Wno-implicit-fallthrough"
        configure = [SOURCE / "configure", "-q", "--enable-sanitizers", "CC=clang"]
        subprocess.run([*configure, f"CFLAGS={flags}"], cwd=FUZZ, check=True)
    programs = [f"tests/fuzz/fuzz_{target}" for target in targets]
    make = ["make", "-s", "--no-print-directory", f"-j{os.cpu_count()}"]
    env = {name: value for name, value in ENV.items() if not name.startswith("MAKE")}
    subprocess.run([*make, "tests/fuzz/dictionary", *programs], cwd=FUZZ, check=True, env=env)


def dictionary(target):
    """The dictionary of this target, or None if it has no words."""
    path = FUZZ / f"{target}.dict"
    made = subprocess.run([FUZZ / "tests/fuzz/dictionary", target], capture_output=True, check=True)
    path.write_bytes(made.stdout)
    return path if made.stdout else None


def run(target, seconds):
    """Runs one target; returns its line, and True if there was no crash."""
    working = FUZZ / "corpus" / target
    crashes = FUZZ / "crashes"
    working.mkdir(parents=True, exist_ok=True)
    crashes.mkdir(exist_ok=True)
    words = dictionary(target)
    command = [
        FUZZ / f"tests/fuzz/fuzz_{target}",
        f"-max_total_time={seconds}",
        f"-max_len={LEN_MAX}",
        f"-timeout={INPUT_S}",
        f"-artifact_prefix={crashes}/{target}-",
        "-print_final_stats=1",
        *([f"-dict={words}"] if words else []),
        working,
        CORPUS / target,
    ]
    log = FUZZ / f"{target}.log"
    with log.open("wb") as out:
        status = subprocess.run(command, stdout=out, stderr=out, cwd=FUZZ, env=ENV).returncode
    text = log.read_text(errors="replace")
    found = re.findall(r"Test unit written to \S*/(\S+)", text)
    executions = re.search(r"stat::number_of_executed_units:\s*(\d+)", text)
    edges = re.findall(r"\bcov: (\d+)", text)
    line = (
        f"{target}: {executions[1] if executions else '?'} executions, "
        f"{edges[-1] if edges else '?'} edges, {len(list(working.iterdir()))} inputs, "
        f"{len(found)} crashes"
    )
    if status != 0:
        line += f" ({' '.join(found) or f'status {status}'}; see {log})"
    return line, status == 0


def merge(target):
    """Adds a minimal set of inputs that reach new edges to the committed corpus. Files named by a
    hash are selected again; files with other names stay."""
    committed = CORPUS / target
    working = FUZZ / "corpus" / target
    found = FUZZ / "found" / target
    shutil.rmtree(found, ignore_errors=True)
    found.mkdir(parents=True)
    for path in committed.iterdir():
        if re.fullmatch(r"[0-9a-f]{40}", path.name):
            path.rename(found / path.name)
    program = FUZZ / f"tests/fuzz/fuzz_{target}"
    # Coverage by edges: counters would select three times as many files.
    options = ["-set_cover_merge=1", "-use_counters=0", f"-max_len={LEN_MAX}"]
    command = [program, *options, committed, found, working]
    log = FUZZ / f"{target}-merge.log"
    with log.open("wb") as out:
        subprocess.run(command, stdout=out, stderr=out, cwd=FUZZ, env=ENV, check=True)
    inputs = list(committed.iterdir())
    return f"{target}: {len(inputs)} inputs, {sum(path.stat().st_size for path in inputs)} bytes"


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=1, help="for each target")
    parser.add_argument("--jobs", type=int, default=1, help="targets at a time")
    parser.add_argument("--merge", action="store_true", help="minimise the corpus instead")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(TARGETS))
    options = parser.parse_args()
    targets = options.targets or list(TARGETS)
    if unknown := set(targets) - set(TARGETS):
        parser.error(f"no such target: {' '.join(sorted(unknown))}")
    build(targets)
    if options.merge:
        for target in targets:
            print(merge(target), flush=True)
        return 0
    good = True
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for line, passed in pool.map(lambda t: run(t, int(options.minutes * 60)), targets):
            print(line, flush=True)
            good = good and passed
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
