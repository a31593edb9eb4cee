"""Runs the commands of pods as processes of this machine, as a node would: variables, secrets, signals, logs."""

import base64
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from fake_job_controller import INDEX
from fake_kubernetes_api import FakeKubernetesApi

_RUN_TRAIN = Path(__file__).resolve().parents[2] / "run_train.sh"
_REFERENCE = re.compile(r"\$(\$|\(([-._a-zA-Z0-9]*)\))")
Object = dict[str, Any]


def expand(text: str, variables: dict[str, str]) -> str:
    """What Kubernetes makes of `$(NAME)` and `$$` in commands and variables; an unknown name stays as it is."""

    def replace(match: re.Match[str]) -> str:
        return "$" if match[1] == "$" else variables.get(match[2], match[0])

    return _REFERENCE.sub(replace, text)


def _below(folder: Path, path: str) -> str:
    """A path of the pod's work folder as it is here."""
    return re.sub(r"^/work(?=$|/(inputs|output|control)(/|$))", str(folder), path)


class FakeKubelet:
    """Context manager: a node with room for everything; each pod has a folder in place of its emptyDir volumes."""

    def __init__(self, api: FakeKubernetesApi, folder: Path) -> None:
        self._api, self._folder = api, folder
        self._running: dict[str, subprocess.Popen[str]] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "FakeKubelet":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        for process in self._running.values():
            process.kill()

    def evict(self, name: str) -> None:
        """Take the pod away, as a drain of its node does."""
        condition = {
            "type": "DisruptionTarget",
            "status": "True",
            "reason": "EvictionByEvictionAPI",
            "message": "drained",
        }
        self._api.set_pod(name, conditions=[condition])
        self._running[name].send_signal(signal.SIGTERM)

    def kill(self, name: str) -> None:
        """End all of the pod's processes at once, as the kernel does that is short of memory."""
        self._running[name].kill()

    def _run(self) -> None:
        told: set[str] = set()
        while not self._stop.is_set():
            for pod in self._api.all("pods"):
                name = pod["metadata"]["name"]
                if name not in self._running and pod["status"]["phase"] == "Pending":
                    self._start(pod)
                elif "deletionTimestamp" in pod["metadata"] and name not in told and name in self._running:
                    told.add(name)
                    self._running[name].send_signal(signal.SIGTERM)
            time.sleep(0.05)

    def _start(self, pod: Object) -> None:
        name, container = pod["metadata"]["name"], pod["spec"]["containers"][0]
        variables = self._variables(pod, container)
        work = self._folder / name
        (work / "tmp").mkdir(parents=True)
        variables |= {name: _below(work, value) for name, value in variables.items() if name.startswith("FACEJOBS_")}
        variables |= {"TMPDIR": str(work / "tmp"), "FACEJOBS_PYTHON": sys.executable, "PATH": "/usr/bin:/bin"}
        command = [_below(work, expand(word, variables)) for word in container["command"]]
        command = [str(_RUN_TRAIN) if word == "/home/work/run_train.sh" else word for word in command]
        process = subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, text=True, cwd=work)
        self._running[name] = process
        self._api.start_pod(name)
        threading.Thread(target=self._follow, args=(name, process), daemon=True).start()

    def _variables(self, pod: Object, container: Object) -> dict[str, str]:
        variables: dict[str, str] = {}
        for item in container["env"]:
            source = item.get("valueFrom", {})
            if "fieldRef" in source:
                assert source["fieldRef"]["fieldPath"] == f"metadata.annotations['{INDEX}']"
                variables[item["name"]] = pod["metadata"]["annotations"][INDEX]
            elif "secretKeyRef" in source:
                secret = self._api.find("secrets", source["secretKeyRef"]["name"])
                variables[item["name"]] = base64.b64decode(secret["data"][source["secretKeyRef"]["key"]]).decode()
            else:
                variables[item["name"]] = expand(item["value"], variables)
        return variables

    def _follow(self, name: str, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self._api.log(name, line.rstrip("\n"))
        code = process.wait()
        killed = code == -signal.SIGKILL
        self._api.end_pod(name, code if code >= 0 else 128 - code, "OOMKilled" if killed else "")
