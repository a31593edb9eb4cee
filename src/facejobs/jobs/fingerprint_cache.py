"""Remembers fingerprints in ~/.cache/facejobs (XDG_CACHE_HOME): the same files are not read at every submit."""

import contextlib
import hashlib
import os
import time
from pathlib import Path

from facejobs.storage import environment as contract
from facejobs.storage.store import ObjectInfo

# A file written this recently may be written again without its time changing.
_SETTLED_SECONDS = 2.0


class FingerprintCache:
    """The remembered text for one input, valid while every file keeps its size and its ETag (on disk: its time)."""

    def __init__(self, url: str, files: list[ObjectInfo]) -> None:
        where = f"{os.environ.get(contract.S3_ENDPOINT, '')}\n{url}"
        listing = "".join(f"{info.key}\0{info.size}\0{info.etag or info.modified.isoformat()}\n" for info in files)
        self._signature = hashlib.sha256(listing.encode()).hexdigest()
        self._path = _folder() / hashlib.sha256(where.encode()).hexdigest()
        newest = max((info.modified.timestamp() for info in files if info.etag is None), default=0.0)
        self._settled = time.time() - newest > _SETTLED_SECONDS

    def load(self) -> str | None:
        """What was saved for these files, if anything."""
        try:
            signature, _, text = self._path.read_text(encoding="utf-8").partition("\n")
        except (OSError, UnicodeDecodeError):
            return None
        return text if signature == self._signature and self._settled else None

    def save(self, text: str) -> None:
        """Remember a text for these files; a cache that cannot be written is no error."""
        temporary = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_text(f"{self._signature}\n{text}", encoding="utf-8")
            temporary.replace(self._path)

    def forget(self) -> None:
        """Drop what was remembered."""
        with contextlib.suppress(OSError):
            self._path.unlink()


def _folder() -> Path:
    root = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(root).expanduser() / "facejobs" / "fingerprints"
