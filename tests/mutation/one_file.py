"""Programs in which one source file is another: compiled with the flags of an ordinary build and linked before the
libraries that hold the original, so that nothing else is built anew."""

import json
import pathlib
import re
import shlex
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Linker:
    def __init__(self, build, tools, configure):
        """Builds the tools in `build`, configured with the arguments `configure` of cmake."""
        self.build = build
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
                    return command[command.index("/usr/bin/clang++-16"):]
        raise RuntimeError(f"no link command of {tool} in {self.build}")

    def compile(self, path, text, folder):
        """The object of `text` in place of the file `path`; None when the compiler refuses it."""
        source, target = folder / path.name, folder / "changed.o"
        source.write_text(text)
        command = self.compiles[str(path)]
        words = shlex.split(command[command.index("/usr/bin/clang++-16"):])
        words = [word for word in words if word not in (str(path), "-Werror", "-c")]
        words[words.index("-o") + 1] = str(target)
        built = subprocess.run([*words, "-w", f"-I{path.parent}", "-c", str(source)], cwd=self.build, capture_output=True, text=True)
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
