#!/usr/bin/env python3
"""Mutants of the policies that the simulation must catch: mutants.txt says what is changed and with which seed it shows.

  tests/simulation/mutants.py              each mutant with its own seed; exit 1 when one is not caught
  tests/simulation/mutants.py --search 200 looks for a seed, up to that number, where the kept one catches nothing
  tests/simulation/mutants.py NAME...      only these
"""

import argparse
import concurrent.futures
import os
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT / "tests" / "mutation"))
sys.dont_write_bytecode = True
import one_file  # noqa: E402  (found by the line above)


def read_mutants():
    """[{name, file, old, new, run}] of mutants.txt: blocks of "key: value" lines."""
    blocks, current = [], {}
    for line in (HERE / "mutants.txt").read_text().splitlines() + [""]:
        if line.startswith("#"):
            continue
        if not line.strip():
            if current:
                blocks.append(current)
            current = {}
            continue
        key, value = line.split(": ", 1)
        current[key] = value
    return blocks


def changed_text(mutant):
    text = (ROOT / mutant["file"]).read_text()
    if text.count(mutant["old"]) != 1:
        raise SystemExit(f"{mutant['name']}: its line is not (or not once) in {mutant['file']}: write the mutant anew")
    return text.replace(mutant["old"], mutant["new"])


def is_caught(program, arguments):
    ended = subprocess.run([str(program), *arguments, "--jobs", "1"], capture_output=True, text=True)
    if ended.returncode not in (0, 1):
        raise SystemExit(f"{' '.join(arguments)}: exit code {ended.returncode}\n{ended.stdout}{ended.stderr}")
    return ended.returncode == 1


def attempt(linker, mutant, most):
    """The arguments that show the mutant, or None."""
    path = ROOT / mutant["file"]
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        target = linker.compile(path, changed_text(mutant), folder)
        if target is None:
            raise SystemExit(f"{mutant['name']} does not compile")
        program = linker.link("gpuwarden-sim", target, folder)
        kept = mutant.get("run", "").split()
        if kept and is_caught(program, kept):
            return kept
        for seed in range(1, most + 1):
            if is_caught(program, ["--seed", str(seed)]):
                return ["--seed", str(seed)]
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="only these")
    parser.add_argument("--search", type=int, default=0, metavar="SEEDS", help="look for a seed up to this one")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="at once")
    options = parser.parse_args()
    mutants = [mutant for mutant in read_mutants() if not options.names or mutant["name"] in options.names]
    for mutant in mutants:
        changed_text(mutant)
    linker = one_file.Linker(ROOT / "build" / "release", ["gpuwarden-sim"], ["--preset", "release"])
    missed = 0
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for mutant, shown in zip(mutants, pool.map(lambda m: attempt(linker, m, options.search), mutants)):
            missed += shown is None
            print(f"{mutant['name']:34} {'NOT CAUGHT' if shown is None else 'caught by ' + ' '.join(shown)}", flush=True)
    print(f"{len(mutants) - missed} of {len(mutants)} mutants caught")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
