#!/usr/bin/env python3
"""Mutation check: changes one token of the breaker, the watchdog or the reaper at a time and sees whether a test notices.

Each mutant is one changed source file, compiled with the flags of an ordinary build and linked before the room's own
library, so that nothing else is built anew. It is killed when it does not compile to something that passes: by the unit
tests of the room, else by the simulation. What survives is printed with its place; targets.txt says which files are
mutated, survivors.txt which mutants change nothing that can be seen, each with the reason.

  tests/mutation/mutate.py                     all mutants, the rate per target; exit 1 below 90 %
  tests/mutation/mutate.py --sample 60         that many, chosen by --seed, the same number from each target
  tests/mutation/mutate.py --target breaker    one target only
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

import one_file

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = ROOT / "tests" / "mutation"
BUILD = ROOT / "build" / "mutation"
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
STATEMENT = re.compile(r"^(\s+)([a-z_][\w.>:\[\]-]*\(.*\)|[a-z_][\w.>-]* \+?= .*|[a-z_][\w.>-]*\.reset\(\)|\+\+.*);$")


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
        if statement and not statement.group(2).startswith(("return", "const ", "auto ", "using ")):
            found.append((number, len(statement.group(1)), statement.group(2)[:40], "(removed)", statement.group(1) + ";"))
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
    """Places of survivors.txt: "file: original code of the line -> what it becomes"."""
    lines = (HERE / "survivors.txt").read_text().splitlines()
    return {line.split(" # ")[0].strip() for line in lines if line and not line.startswith("#")}


def name_of(path, mutant):
    number, _, old, new, changed = mutant
    line = path.read_text().split("\n")[number - 1].strip()
    return f"{path.relative_to(ROOT)}: {line} -> {changed.strip() if new != '(removed)' else new}"


class Bench:
    """The build that mutants are compiled and linked with."""

    def __init__(self, simulation_seeds):
        self.seeds = simulation_seeds
        # Little optimised and without debug information: quick to compile, and the tests are quick enough.
        tools = ["unit_policy"] + (["gpuwarden-sim"] if simulation_seeds else [])
        self.linker = one_file.Linker(BUILD, tools, ["--preset", "dev", "-DCMAKE_BUILD_TYPE=None", "-DCMAKE_CXX_FLAGS=-O1"])

    def run(self, path, mutant, folder):
        """None when the mutant survives, else what killed it."""
        number, _, _, _, changed = mutant
        lines = path.read_text().split("\n")
        lines[number - 1] = changed
        target = self.linker.compile(path, "\n".join(lines), folder)
        if target is None:
            return "compiler"
        for tool, arguments, name, limit in self.tests():
            program = self.linker.link(tool, target, folder)
            try:
                ended = subprocess.run([str(program), *arguments], cwd=folder, stdout=subprocess.DEVNULL,
                                       stderr=subprocess.DEVNULL, timeout=limit)
            except subprocess.TimeoutExpired:
                return name + " (time)"
            if ended.returncode != 0:
                return name
        return None

    def tests(self):
        yield "unit_policy", ["--gtest_brief=1", "--gtest_fail_fast", "--gtest_filter=-*Chaos*"], "unit", 60
        yield "unit_policy", ["--gtest_brief=1", "--gtest_fail_fast", "--gtest_filter=*Chaos*"], "property", 240
        if self.seeds:
            yield "gpuwarden-sim", ["--seed", "1", "--seeds", str(self.seeds), "--jobs", "1"], "simulation", 600


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", action="append", help="only this target of targets.txt; may be repeated")
    parser.add_argument("--sample", type=int, default=0, help="so many mutants of each target; 0 = all")
    parser.add_argument("--seed", type=int, default=1, help="chooses the sample")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="at once")
    parser.add_argument("--simulation", type=int, default=0, metavar="SEEDS", help="survivors of the unit tests also meet the simulation")
    parser.add_argument("--list", action="store_true", help="print the mutants and run nothing")
    options = parser.parse_args()
    known = harmless()
    chosen = []
    for target, files in targets().items():
        if options.target and target not in options.target:
            continue
        mutants = [(target, path, mutant) for path in files for mutant in mutants_of(path)]
        mutants = [entry for entry in mutants if name_of(entry[1], entry[2]) not in known]
        if options.sample and options.sample < len(mutants):
            mutants = random.Random(options.seed).sample(mutants, options.sample)
        chosen += mutants
    if options.list:
        for target, path, mutant in chosen:
            print(f"{target:10} {path.relative_to(ROOT)}:{mutant[0]}: {mutant[2]} -> {mutant[3]}")
        print(f"{len(chosen)} mutants")
        return 0

    bench = Bench(options.simulation)
    score, survivors, began = {}, [], time.monotonic()

    def attempt(entry):
        with tempfile.TemporaryDirectory() as folder:
            return bench.run(entry[1], entry[2], pathlib.Path(folder))

    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for done, (entry, killer) in enumerate(zip(chosen, pool.map(attempt, chosen)), 1):
            target, path, mutant = entry
            killed, total, by = score.setdefault(target, [0, 0, {}])
            if killer == "compiler":
                continue  # not a program: neither killed nor survived
            score[target][0] += killer is not None
            score[target][1] += 1
            if killer:
                by[killer] = by.get(killer, 0) + 1
            else:
                survivors.append(name_of(path, mutant))
                print(f"survived: {path.relative_to(ROOT)}:{mutant[0]}: {survivors[-1].split(': ', 1)[1]}", flush=True)
            if sys.stdout.isatty() or done % 25 == 0:
                print(f"{done} of {len(chosen)} after {time.monotonic() - began:.0f} s", flush=True)
    low = False
    print(f"\n{'target':12} {'mutants':>8} {'killed':>8} {'rate':>8}  by")
    for target, (killed, total, by) in score.items():
        rate = killed / total if total else 1.0
        low = low or rate < LEAST_RATE
        print(f"{target:12} {total:8} {killed:8} {rate:8.1%}  " + ", ".join(f"{k} {n}" for k, n in sorted(by.items())))
    print(f"took {time.monotonic() - began:.0f} s; each target needs {LEAST_RATE:.0%}")
    return 1 if low else 0


if __name__ == "__main__":
    sys.exit(main())
