"""The manifest of a folder in storage: the name, the size and the digests of every file, written after all of them.

{"format": 1, "files": {"model/model.onnx": {"size": 4321, "sha256": "…64 hexadecimal digits…", "blake3": "…64 more…"}}}
`blake3` may be absent.

A folder without one was not uploaded wholly. A manifest comes from elsewhere, so its names are not trusted:
none may lead out of the folder that it is unpacked into.
"""

import json
import re
from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, NamedTuple, Self

from facejobs.storage.content_hash import ContentHash
from facejobs.storage.errors import CorruptError, StorageError
from facejobs.storage.keys import check_key

MANIFEST = "outputs.json"

_FORMAT = 1
_DIGEST = re.compile(r"[0-9a-f]{64}")
_DRIVE = re.compile(r"[A-Za-z]:")


class ManifestEntry(NamedTuple):
    """What one file is: its size in bytes, and the digests of its content in lower-case hexadecimal."""

    size: int
    sha256: str
    blake3: str | None = None

    @property
    def content(self) -> ContentHash:
        """What the file holds."""
        return ContentHash(self.sha256, self.blake3)


@dataclass(frozen=True)
class Manifest:
    """The files of a folder by name; names are relative to it and '/'-separated."""

    files: Mapping[str, ManifestEntry] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Bytes of all files together."""
        return sum(entry.size for entry in self.files.values())

    def to_json(self) -> bytes:
        """The manifest as UTF-8 JSON, its files in order of name; equal manifests give equal bytes."""
        files = {name: _members(entry) for name, entry in sorted(self.files.items())}
        return json.dumps({"format": _FORMAT, "files": files}, indent=1, ensure_ascii=False).encode()

    @classmethod
    def from_json(cls, data: bytes, source: str) -> Self:
        """Read what `to_json` wrote; `source` names it in errors. Anything else raises `CorruptError`."""
        try:
            files = _read(data)
        except _FaultError as fault:
            raise CorruptError(f"{source} is no manifest of a folder: {fault}; upload the folder again") from None
        return cls(files)


def unsafe_name(name: str) -> str | None:
    """A sentence that says why no file of this relative name may be made below a folder; None if it may."""
    if _DRIVE.match(name):
        return f"unsafe name: {name!r} begins with a drive letter"
    try:
        check_key(name, "unsafe name")
    except StorageError as error:
        return str(error)
    return None


class _FaultError(Exception):
    """What a manifest has wrong."""


def _read(data: bytes) -> dict[str, ManifestEntry]:
    try:
        content = json.loads(data.decode(), object_pairs_hook=_without_duplicates)
    except UnicodeDecodeError as error:
        raise _FaultError(f"byte {error.start} is not UTF-8") from None
    except json.JSONDecodeError as error:
        raise _FaultError(f"line {error.lineno} is not JSON ({error.msg})") from None
    except (ValueError, RecursionError):
        raise _FaultError("it holds a number or a nesting beyond all measure") from None
    _require_keys(content, {"format", "files"}, "the file")
    if type(content["format"]) is not int or content["format"] != _FORMAT:
        raise _FaultError(f"its format is {content['format']!r:.40}; this facejobs reads {_FORMAT}")
    if not isinstance(content["files"], dict):
        raise _FaultError("'files' is not an object")
    files = {name: _entry(name, value) for name, value in content["files"].items()}
    _refuse_files_that_are_folders(files)
    return files


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content: dict[str, Any] = {}
    for name, value in pairs:
        if name in content:
            raise _FaultError(f"{name!r:.200} is in it twice")
        content[name] = value
    return content


def _members(entry: ManifestEntry) -> dict[str, int | str]:
    return {kind: value for kind, value in entry._asdict().items() if value is not None}


def _entry(name: str, value: object) -> ManifestEntry:
    fault = unsafe_name(name)
    if fault:
        raise _FaultError(fault)
    _require_keys(value, {"size", "sha256"}, repr(name), {"blake3"})
    assert isinstance(value, dict)
    size = value["size"]
    if type(size) is not int or size < 0:
        raise _FaultError(f"the size of {name!r} is not a number of bytes")
    for kind in value.keys() - {"size"}:
        if not isinstance(value[kind], str) or not _DIGEST.fullmatch(value[kind]):
            raise _FaultError(f"the {kind} of {name!r} is not 64 lower-case hexadecimal digits")
    return ManifestEntry(**value)


def _require_keys(value: object, keys: set[str], where: str, optional: Set[str] = frozenset()) -> None:
    if not isinstance(value, dict) or not keys <= value.keys() <= keys | optional:
        also = f" (and may hold {' and '.join(sorted(optional))})" if optional else ""
        raise _FaultError(f"{where} must hold exactly {' and '.join(sorted(keys))}{also}")


def _refuse_files_that_are_folders(files: Mapping[str, object]) -> None:
    for name in files:
        for parent in PurePosixPath(name).parents:
            if str(parent) in files:
                raise _FaultError(f"{str(parent)!r} is both a file and the folder of {name!r}")
