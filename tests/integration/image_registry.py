"""A docker-registry of a test's own on 127.0.0.1, with or without a password."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

_START_SECONDS = 20.0


class Registry:
    """One `docker-registry serve` on a free port, keeping its blobs in `data`; `htpasswd` makes it want a login."""

    def __init__(self, folder: Path, data: Path, htpasswd: Path | None = None) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.address = f"127.0.0.1:{free.getsockname()[1]}"
        config = {
            "version": 0.1,
            "storage": {"filesystem": {"rootdirectory": str(data)}, "delete": {"enabled": True}},
            "http": {"addr": self.address},
        }
        if htpasswd:
            config["auth"] = {"htpasswd": {"realm": "test", "path": str(htpasswd)}}
        self._config = folder / "registry.yml"
        # JSON is YAML.
        self._config.write_text(json.dumps(config))
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; returns when it answers."""
        # It takes REGISTRY_… for its configuration, REGISTRY_AUTH_FILE of its clients too.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("REGISTRY_")}
        with self._config.with_suffix(".log").open("ab") as log:
            command = ["docker-registry", "serve", self._config]
            self._process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        deadline = time.monotonic() + _START_SECONDS
        while not self._answers():
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise RuntimeError(f"docker-registry did not start:\n{self._config.with_suffix('.log').read_text()}")
            time.sleep(0.05)

    def _answers(self) -> bool:
        try:
            urllib.request.urlopen(f"http://{self.address}/v2/", timeout=2).close()
        except urllib.error.HTTPError as error:
            return error.code == 401
        except OSError:
            return False
        return True

    def stop(self) -> None:
        """Stop it; what it keeps stays."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGTERM)
            self._process.wait()
            self._process = None
