"""A folder to copy, and a store that notes what is asked of it and may do harm first."""

import threading
from collections.abc import Callable
from pathlib import Path

from facejobs.storage.store import ObjectStore

FILES = {
    "model/model.onnx": bytes(range(256)) * 10,
    "model/model.json": b"{}",
    "metrics.jsonl": b"",
    "a name with % and +": b"x",
    "ü/日本": b"names",
    "checkpoints/step-1/weights": b"w" * 5000,
}


class Meddler:
    """Passes everything on to a store and notes it; `before` may do harm first."""

    def __init__(self, store: ObjectStore, before: Callable[[str, str], None] = lambda action, key: None) -> None:
        self._store = store
        self._before = before
        self._lock = threading.Lock()
        self.calls: list[tuple[str, str]] = []

    def __getattr__(self, action: str) -> object:
        found = getattr(self._store, action)
        if not callable(found) or action == "url_of":
            return found

        def call(*arguments: object) -> object:
            key = str(arguments[-1] if action == "upload" else arguments[0] if arguments else "")
            with self._lock:
                self.calls.append((action, key))
            self._before(action, key)
            return found(*arguments)

        return call

    def keys(self, action: str) -> list[str]:
        return sorted(key for name, key in self.calls if name == action)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def failing(number: str, error: Exception) -> Callable[[str, str], None]:
    def before(action: str, key: str) -> None:
        if action in ("upload", "download") and number in key:
            raise error

    return before
