"""Files of a gallery while they are written: under names that no reader looks at, until `publish`."""

import mmap
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from facejobs.gallery.description import FileRecord, Role
from facejobs.gallery.generation import Content, digest
from facejobs.storage.keys import TEMPORARY

_ENDINGS: dict[Role, str] = {
    "embeddings": "f32",
    "means": "f32",
    "people": "jsonl",
    "photographs": "jsonl",
}
_DIGITS = 16


class DraftFiles:
    """One file for each role, in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[Role, BinaryIO] = {}

    def append(self, role: Role, blocks: Iterable[bytes]) -> None:
        """Write to the end of the file with this role."""
        if role not in self._files:
            self._files[role] = self._path(role).open("w+b")
        self._files[role].writelines(blocks)

    def replace(self, role: Role, blocks: Iterable[bytes]) -> None:
        """Write the file with this role anew; what `read` gave of the old one stays as it is."""
        old = self._files.pop(role, None)
        # Not overwritten, since the blocks may be made of what it holds.
        self._path(role).unlink(missing_ok=True)
        self.append(role, blocks)
        if old is not None:
            old.close()

    def read(self, role: Role) -> Content:
        """All bytes of a file, mapped into memory."""
        file = self._files[role]
        file.flush()
        size = os.fstat(file.fileno()).st_size
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if size else b""

    def publish(self) -> dict[Role, FileRecord]:
        """Have all files on disk under the names by which gallery.json lists them."""
        return {role: self._publish(role) for role in self._files}

    def close(self) -> None:
        """Remove what was not published."""
        for role, file in self._files.items():
            # What is still to be written may not find room; it is not wanted any more.
            with suppress(OSError):
                file.close()
            self._path(role).unlink(missing_ok=True)

    def _publish(self, role: Role) -> FileRecord:
        content = self.read(role)
        os.fsync(self._files[role].fileno())
        blake3 = digest(content)
        name = f"{role}-{blake3[:_DIGITS]}.{_ENDINGS.get(role, 'bin')}"
        self._path(role).replace(self._folder / name)
        return FileRecord(name=name, blake3=blake3, bytes=len(content))

    def _path(self, role: Role) -> Path:
        return self._folder / f"{TEMPORARY}{role}"
