"""Programs in which one source file is another: compiled with the flags of an ordinary build and linked before the
libraries that hold the original, so that nothing else is built anew."""

import json
import pathlib
import re
import shlex
import subprocess
import threading

ROOT = pathlib.Path(__file__).resolve().parents[2]
COMPILER = "/usr/bin/clang++-16"


class Linker:
    # What reads an empty optional or past an end aborts, as it would under the sanitizers that the tests run with.
    QUICK = ["-O0", "-D_GLIBCXX_ASSERTIONS"]

    def __init__(self, build, tools, configure, quickly=False):
        """Builds the tools in `build`, configured with the arguments `configure` of cmake. `quickly`: the changed file
        is compiled without optimisation but with assertions, and its room's headers are read once for all."""
        self.build = build
        self.quickly = quickly
        self.headers, self.lock = {}, threading.Lock()
        subprocess.run(["cmake", *configure, "-B", str(build), "-DGPUWARDEN_TESTS=ON"], cwd=ROOT, check=True,
                       stdout=subprocess.DEVNULL)
        subprocess.run(["cmake", "--build", str(build), "--target", *tools], check=True, stdout=subprocess.DEVNULL)
        commands = json.loads((build / "compile_commands.json").read_text())
        self.compiles = {entry["file"]: entry["command"] for entry in commands}
        self.links = {tool: self._link_command(tool) for tool in tools}

    def _link_command(self, tool):
        listed = subprocess.run(["ninja", "-C", str(self.build), "-t", "commands", tool], check=True, capture_output=True, text=True)
        for line in reversed(listed.stdout.splitlines()):
            for command in line.split(" && "):
                if "clang++-16" in command and re.search(rf" -o (\S*/)?{re.escape(tool)} ", command):
                    return command[command.index(COMPILER):]
        raise RuntimeError(f"no link command of {tool} in {self.build}")

    def _flags(self, path):
        """The compiler and its flags for that file, without what is read and written."""
        command = self.compiles[str(path)]
        words = [word for word in shlex.split(command[command.index(COMPILER):]) if word not in (str(path), "-Werror", "-c")]
        at = words.index("-o")
        return words[:at] + words[at + 2:] + ["-w", f"-I{path.parent}"] + (self.QUICK if self.quickly else [])

    def _headers_of(self, path):
        """What the files beside `path` include, compiled; made once a run."""
        with self.lock:
            if path.parent not in self.headers:
                lines = {line for file in sorted(path.parent.glob("*.cpp")) for line in file.read_text().splitlines()
                         if line.startswith("#include ")}
                folder = self.build / "headers" / path.parent.name
                folder.mkdir(parents=True, exist_ok=True)
                (folder / "all.hpp").write_text("".join(f"{line}\n" for line in sorted(lines)))
                target = folder / "all.pch"
                subprocess.run([*self._flags(path), "-x", "c++-header", str(folder / "all.hpp"), "-o", str(target)],
                               cwd=self.build, check=True)
                self.headers[path.parent] = target
            return self.headers[path.parent]

    def compile(self, path, text, folder):
        """The object of `text` in place of the file `path`; None when the compiler refuses it."""
        source, target = folder / path.name, folder / "changed.o"
        source.write_text(text)
        headers = ["-include-pch", str(self._headers_of(path))] if self.quickly else []
        built = subprocess.run([*self._flags(path), *headers, "-c", str(source), "-o", str(target)], cwd=self.build,
                               capture_output=True, text=True)
        return target if built.returncode == 0 else None

    def link(self, tool, target, folder):
        """The tool with that object in it."""
        program = folder / tool
        if not program.exists():
            words = shlex.split(self.links[tool])
            words[words.index("-o") + 1] = str(program)
            words.insert(words.index("-o"), str(target))
            subprocess.run(words, cwd=self.build, check=True, capture_output=True)
        return program
