"""An object that is written, read, claimed, listed and deleted to see whether a store keeps its word."""

import os
import secrets
from dataclasses import dataclass, field

from facejobs.storage.doctor.checks import Step
from facejobs.storage.errors import CorruptError, StorageError
from facejobs.storage.store import ObjectStore

_PROBE_BYTES = 65_536


@dataclass
class Probe:
    """Two objects directly in the root, since some servers keep a folder when its last object goes."""

    store: ObjectStore
    name: str = field(default_factory=lambda: f"facejobs-doctor-{secrets.token_hex(6)}")
    data: bytes = field(default_factory=lambda: os.urandom(_PROBE_BYTES))

    @property
    def _key(self) -> str:
        return f"{self.name}-probe"

    @property
    def _claimed(self) -> str:
        return f"{self.name}-claim"

    def _write(self) -> str:
        self.store.write(self._key, self.data)
        return f"{_PROBE_BYTES} bytes written"

    def _read_back(self) -> str:
        found = self.store.read(self._key)
        if found != self.data:
            raise CorruptError(
                f"{self.store.url_of(self._key)}: read {len(found)} bytes that are not the {_PROBE_BYTES} written; "
                "do not keep data there: something on the way (a proxy, a cache, a disk) alters it"
            )
        return "the bytes read are those written"

    def _read_range(self) -> str:
        start, length = _PROBE_BYTES // 3, 1000
        if self.store.read(self._key, start, length) != self.data[start : start + length]:
            raise CorruptError(
                f"{self.store.url_of(self._key)}: a range of bytes was asked for and others came; large files cannot "
                "be fetched from there: look for a proxy or cache on the way that drops the Range header"
            )
        return f"{length} bytes from the middle"

    def _claim(self) -> str:
        first = self.store.write_if_absent(self._claimed, b"first")
        second = self.store.write_if_absent(self._claimed, b"second")
        if not first or second or self.store.read(self._claimed) != b"first":
            raise StorageError(
                f"{self.store.url}: a second write that must be refused (If-None-Match: *) replaced the first; two "
                "people could get the same version number: data may be kept there, a version store may not"
            )
        return "a second write of the same name is refused"

    def _find(self) -> str:
        found = self._listed().get(self._key)
        if found != _PROBE_BYTES:
            said = "is not listed" if found is None else f"is listed with {found} bytes, not {_PROBE_BYTES}"
            raise StorageError(
                f"{self.store.url_of(self._key)} was written and {said}: uploads there cannot be verified"
            )
        return "the object is listed with its size"

    def _listed(self) -> dict[str, int]:
        found = self.store.list(recursive=False)
        return {info.key: info.size for info in found if info.key.startswith(self.name)}

    def remove(self) -> str:
        """Delete what was written, and see that it is gone."""
        self.store.delete([self._key, self._claimed])
        left = sorted(self._listed())
        if left:
            raise StorageError(f"{self.store.url} still lists {', '.join(left)} after deleting; remove it by hand")
        return "nothing is left behind"

    def steps(self) -> list[Step]:
        """The checks, in their order."""
        return [
            Step("write", self._write),
            Step("read back", self._read_back, vital=False),
            Step("range read", self._read_range, vital=False),
            Step("write if absent", self._claim, vital=False),
            Step("listing", self._find, vital=False),
            Step("delete", self.remove, vital=False),
        ]
