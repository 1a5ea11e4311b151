#!/usr/bin/env python3
"""Mutation check: changes one token or statement of the breaker, the watchdog or the reaper at a time and sees whether a
test notices.

Each mutant is one changed source file, linked before the room's own library, so that nothing else is built anew. The unit
tests of policy meet it, quick ones first; one at which they end badly or do not end is killed. With --simulation, what
they let live meets that many seeds of the simulation. What survives is printed with its place. targets.txt says which
files are mutated, survivors.txt which mutants change nothing that can be seen, each with the reason; those are not run.
A mutant that does not compile is none.

  tests/mutation/mutate.py                     all mutants, the rate per target; exit 1 below 90 %
  tests/mutation/mutate.py --sample 60         that many of each target, chosen by --seed
  tests/mutation/mutate.py --target breaker    one target only
  tests/mutation/mutate.py --file cusum        files of such a name only
  tests/mutation/mutate.py --simulation 40     survivors of the unit tests meet 40 seeds of the simulation
  tests/mutation/mutate.py --list              prints them and runs nothing
"""

import argparse
import concurrent.futures
import os
import pathlib
import random
import re
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
import one_file  # noqa: E402  (no compiled copy of it beside the sources)

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = ROOT / "tests" / "mutation"
LEAST_RATE = 0.90

# Spaces around an operator tell it from template brackets, references and pointers: clang-format puts them there.
SWAPS = [
    (r" < ", " <= "), (r" <= ", " < "), (r" > ", " >= "), (r" >= ", " > "),
    (r" == ", " != "), (r" != ", " == "), (r" && ", " || "), (r" \|\| ", " && "),
    (r" \+ ", " - "), (r" - ", " + "), (r" \* ", " / "),
    (r"\btrue\b", "false"), (r"\bfalse\b", "true"),
    (r"\bstd::max\b", "std::min"), (r"\bstd::min\b", "std::max"),
    (r"(?<=[( ])!(?=[a-z])", ""), (r"\+\+(?=[a-z])", "--"), (r" \+= ", " -= "),
]
NUMBER = re.compile(r"(?<![\w.'])(\d[\d']*)(?![\w.'])")
STATEMENT = re.compile(
    r"^(\s+)(continue|if \(.*\) .*|[a-z_][\w.>:\[\]-]*\(.*\)|[a-z_][\w.>-]* \+?= .*|[a-z_][\w.>-]*\.reset\(\)|\+\+.*);$")
REMOVED = "(removed)"
# Memory is reserved for speed only.
FOR_SPEED = re.compile(r"\.reserve\(.*\);$")


def code_of(line):
    """The line with strings and comments blanked out, of the same length."""
    line = re.sub(r'"(\\.|[^"\\])*"', lambda m: '"' + "_" * (len(m.group()) - 2) + '"', line)
    at = line.find("//")
    return line if at < 0 else line[:at] + " " * (len(line) - at)


def mutants_of(path):
    """(line number, column, what it was, what it becomes, the new line) of every mutant of a file."""
    found = []
    for number, line in enumerate(path.read_text().split("\n"), 1):
        code = code_of(line)
        if code.lstrip().startswith("#") or "static_assert" in code:
            continue
        for pattern, new in SWAPS:
            for match in re.finditer(pattern, code):
                found.append((number, match.start(), match.group().strip() or "!", new.strip(),
                              line[:match.start()] + new + line[match.end():]))
        for match in NUMBER.finditer(code):
            value = int(match.group().replace("'", "")) + 1
            found.append((number, match.start(), match.group(), str(value),
                          line[:match.start()] + str(value) + line[match.end():]))
        statement = STATEMENT.match(code)
        if statement and not statement.group(2).startswith(("return", "const ", "auto ", "using ")) and not FOR_SPEED.search(code):
            found.append((number, len(statement.group(1)), statement.group(2)[:40], REMOVED, statement.group(1) + ";"))
    return found


def targets():
    """{target: [files]} of targets.txt."""
    result = {}
    for line in (HERE / "targets.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            name, *files = line.split()
            result[name] = [ROOT / file for file in files]
    return result


def harmless():
    """Names of survivors.txt: "file: original code of the line -> what it becomes"."""
    lines = (HERE / "survivors.txt").read_text().splitlines()
    return {line.split(" # ")[0].strip() for line in lines if line and not line.startswith("#")}


def name_of(path, mutant):
    number, _, _, new, changed = mutant
    line = path.read_text().split("\n")[number - 1].strip()
    return f"{path.relative_to(ROOT)}: {line} -> {changed.strip() if new != REMOVED else new}"


def ends_well(program, arguments, folder, seconds):
    """A mutant may loop or eat memory for ever: it gets so many seconds and 4 GB."""
    limited = ["prlimit", f"--cpu={seconds}", "--as=4294967296", "--core=0", str(program), *arguments]
    try:
        return subprocess.run(limited, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                              timeout=10 * seconds).returncode == 0
    except subprocess.TimeoutExpired:
        return False


class Bench:
    """The builds that mutants are compiled and linked with."""

    # Whole worlds, which take longer than all the others together.
    SLOW = "AnyWorld.*:*Waste.*"

    def __init__(self, simulation_seeds):
        # Little optimised and without debug information: quick to build, and the tests are quick enough.
        units = one_file.Linker(ROOT / "build" / "mutation", ["unit_policy"],
                                ["--preset", "dev", "-DCMAKE_BUILD_TYPE=None", "-DCMAKE_CXX_FLAGS=-O1"], quickly=True)
        quiet = ["--gtest_brief=1", "--gtest_fail_fast"]
        self.tests = [("unit", units, "unit_policy", [*quiet, f"--gtest_filter=-{self.SLOW}"], 20),
                      ("property", units, "unit_policy", [*quiet, f"--gtest_filter={self.SLOW}"], 60)]
        if simulation_seeds:
            whole = one_file.Linker(ROOT / "build" / "release", ["gpuwarden-sim"], ["--preset", "release"])
            self.tests.append(("simulation", whole, "gpuwarden-sim",
                               ["--seed", "1", "--seeds", str(simulation_seeds), "--jobs", "1"], 30 + 4 * simulation_seeds))

    def run(self, path, text, folder):
        """None when a file of that text in place of `path` survives, else what killed it."""
        objects = {}
        for name, linker, tool, arguments, seconds in self.tests:
            if linker not in objects:
                target = folder / str(len(objects))
                target.mkdir()
                objects[linker] = linker.compile(path, text, target)
            if objects[linker] is None:
                return "compiler"
            program = linker.link(tool, objects[linker], objects[linker].parent)
            if not ends_well(program, arguments, folder, seconds):
                return name
        return None


def choose(options):
    """[(target, file, mutant)] and how many of each target are known to change nothing."""
    known, chosen, equivalent = harmless(), [], {}
    for target, files in targets().items():
        if options.target and target not in options.target:
            continue
        files = [path for path in files if not options.file or any(part in path.name for part in options.file)]
        mutants = [(target, path, mutant) for path in files for mutant in mutants_of(path)]
        if options.sample:
            random.Random(options.seed).shuffle(mutants)
        left = [entry for entry in mutants if name_of(entry[1], entry[2]) not in known]
        equivalent[target] = len(mutants) - len(left)
        chosen += left[:options.sample or len(left)]
    return chosen, equivalent


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", action="append", help="only this target of targets.txt; may be repeated")
    parser.add_argument("--file", action="append", help="only files whose name contains this; may be repeated")
    parser.add_argument("--sample", type=int, default=0, help="so many mutants of each target; 0 = all")
    parser.add_argument("--seed", type=int, default=1, help="chooses the sample")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="at once")
    parser.add_argument("--simulation", type=int, default=0, metavar="SEEDS", help="survivors of the unit tests also meet the simulation")
    parser.add_argument("--list", action="store_true", help="print the mutants and run nothing")
    options = parser.parse_args()
    chosen, equivalent = choose(options)
    if options.list:
        for target, path, mutant in chosen:
            print(f"{target:10} {path.relative_to(ROOT)}:{mutant[0]}: {mutant[2]} -> {mutant[3]}")
        print(f"{len(chosen)} mutants")
        return 0

    bench = Bench(options.simulation)

    def attempt(path, text):
        at = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            return bench.run(path, text, pathlib.Path(folder)), time.monotonic() - at

    def attempt_mutant(entry):
        _, path, (number, _, _, _, changed) = entry
        lines = path.read_text().split("\n")
        lines[number - 1] = changed
        return attempt(path, "\n".join(lines))

    first = chosen[0][1]
    if killer := attempt(first, first.read_text())[0]:
        print(f"nothing is changed, and yet {killer} fails: mend that first", file=sys.stderr)
        return 2

    score, began = {}, time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for done, (entry, (killer, took)) in enumerate(zip(chosen, pool.map(attempt_mutant, chosen)), 1):
            target, path, mutant = entry
            row = score.setdefault(target, {"mutants": 0, "killed": 0, "seconds": 0.0, "by": {}})
            row["seconds"] += took
            if killer != "compiler":
                row["mutants"] += 1
            if killer and killer != "compiler":
                row["killed"] += 1
                row["by"][killer] = row["by"].get(killer, 0) + 1
            if not killer:
                number, name = mutant[0], name_of(path, mutant)
                print(f"survived: {path.relative_to(ROOT)}:{number}: {name.split(': ', 1)[1]}", flush=True)
            if done % 25 == 0:
                print(f"{done} of {len(chosen)} after {time.monotonic() - began:.0f} s", flush=True)
    low = False
    print(f"\n{'target':10} {'mutants':>8} {'killed':>8} {'rate':>7} {'equivalent':>11} {'s/mutant':>9}  by")
    for target, row in score.items():
        rate = row["killed"] / max(1, row["mutants"])
        low = low or rate < LEAST_RATE
        print(f"{target:10} {row['mutants']:8} {row['killed']:8} {rate:7.1%} {equivalent[target]:11}"
              f" {row['seconds'] / max(1, row['mutants']):9.1f}  " + ", ".join(f"{k} {n}" for k, n in sorted(row["by"].items())))
    print(f"took {time.monotonic() - began:.0f} s; each target needs {LEAST_RATE:.0%}")
    return 1 if low else 0


if __name__ == "__main__":
    sys.exit(main())
