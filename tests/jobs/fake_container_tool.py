"""A podman, or docker, of a test's own: it answers as told and writes down what it was asked."""

import json
import sys
from pathlib import Path
from typing import Any

_PROGRAM = """#!{python}
import json, os, signal, sys, time
folder = {folder!r}
answers = json.load(open(folder + "/answers.json"))
arguments = sys.argv[1:]
with open(folder + "/calls.jsonl", "a") as calls:
    calls.write(json.dumps({{"arguments": arguments, "environment": dict(os.environ)}}) + "\\n")
for length in (2, 1):
    answer = answers.get(" ".join(arguments[:length]))
    if answer is not None:
        break
else:
    answer = [0, "", ""]
if arguments[0] == "kill":
    open(folder + "/killed", "w").close()
if arguments[0] in answers["lasting"]:
    signal.signal(signal.SIGTERM, signal.SIG_IGN if answers["lasting"][arguments[0]] else signal.SIG_DFL)
    while not os.path.exists(folder + "/killed"):
        time.sleep(0.02)
code, out, error = answer
sys.stdout.write(out)
sys.stderr.write(error)
sys.exit(code)
"""
_INFO = {
    "podman": {"host": {"security": {"rootless": False}}},
    "docker": {"ID": "1", "SecurityOptions": ["name=seccomp,profile=builtin"]},
}
RUNS = {"User": "1000:100", "Entrypoint": ["/home/work/run_train.sh"]}


class FakeTool:
    """The executable `name` in `folder`; what it answers may be changed at any time."""

    def __init__(self, folder: Path, name: str = "podman") -> None:
        self._folder = folder / f"{name}-answers"
        self._folder.mkdir(parents=True)
        self._answers: dict[str, Any] = {"lasting": {}}
        program = folder / name
        program.write_text(_PROGRAM.format(python=sys.executable, folder=str(self._folder)))
        program.chmod(0o755)
        self.info(_INFO[name])
        self.no_image()
        self.answer("container inspect", 125, error="Error: no such container")

    def answer(self, words: str, code: int = 0, out: str = "", error: str = "") -> None:
        """What it says to a command that begins with these one or two words."""
        self._answers[words] = (code, out, error)
        (self._folder / "answers.json").write_text(json.dumps(self._answers))

    def last(self, command: str, deaf: bool) -> None:
        """Let a command take until something is killed, or it gets SIGTERM unless it is deaf to that."""
        self._answers["lasting"] = {command: deaf}
        self.answer(command, 143)

    def info(self, facts: dict[str, Any]) -> None:
        """What `info` says."""
        self.answer("info", out=json.dumps(facts))

    def image(self, **config: Any) -> None:
        """An image is here, with this USER and Entrypoint."""
        self.answer("image inspect", out=json.dumps([{"Config": {**RUNS, **config}}]))

    def no_image(self) -> None:
        """No image is here."""
        self.answer("image inspect", 125, error="Error: no such image")

    def container(self, status: str) -> None:
        """A container is here."""
        self.answer("container inspect", out=json.dumps([{"Name": "x", "State": {"Status": status}}]))

    def calls(self, command: str) -> list[dict[str, Any]]:
        """How it was asked to do `command`: `arguments` and `environment`."""
        path = self._folder / "calls.jsonl"
        found = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        return [call for call in found if call["arguments"][0] == command]
