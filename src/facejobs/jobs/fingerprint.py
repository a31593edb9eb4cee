"""What an input held when a version was submitted, told from other contents without reading all of a large file.

Of face records (one `.rec` beside its `.idx`) the fingerprint is the one that a training run writes into its
params.json. Of any other folder it is over names, sizes and contents; where a folder has more than
2,000 files, over the contents of 2,000 of them, spread evenly. Large files are sampled in 256 places.
"""

import hashlib
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

from facejobs.jobs.errors import InputMissingError, JobError
from facejobs.jobs.fingerprint_cache import FingerprintCache
from facejobs.jobs.record_count import count_images
from facejobs.storage.errors import NotFoundError
from facejobs.storage.local import LocalStore
from facejobs.storage.manifest import MANIFEST
from facejobs.storage.opening import open_store
from facejobs.storage.sampling import Sampled, sampled_digest, samples
from facejobs.storage.store import ObjectInfo, ObjectStore
from facejobs.storage.url import is_remote, parse_url

_MAX_READ_FILES = 2000
_THREADS = 16
_IDENTITIES = re.compile(rb"\s*(\d{1,9})\s*(?:,|\n|$)")
_PROPERTY_BYTES = 65536

Advance = Callable[[int, int], None]


class DataFingerprint(BaseModel):
    """`sha256` tells one content from another; `size` in bytes; counts where the files are face records."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    url: str
    kind: Literal["records", "folder", "file"]
    sha256: str
    files: int
    size: int
    images: int | None = None
    identities: int | None = None


class _Content(NamedTuple):
    store: ObjectStore
    kind: Literal["records", "folder", "file"]
    files: list[ObjectInfo]


def fingerprint_input(url: str, advance: Advance = lambda *_: None) -> DataFingerprint:
    """The fingerprint of a folder or file at a URL or path; `advance(done, in_all)` counts files.

    Remembered in ~/.cache/facejobs by URL, sizes and ETags (on disk: times). Raises JobError if there is nothing,
    StorageError if it cannot be read.
    """
    content = _look(url)
    cache = FingerprintCache(url, content.files)
    known = cache.load()
    if known is not None:
        try:
            return DataFingerprint.model_validate_json(known)
        except ValueError:
            cache.forget()
    try:
        found = _fingerprint(url, content, advance)
    except NotFoundError as error:
        raise JobError(f"the input {url} changed while it was read: {error}") from None
    cache.save(found.model_dump_json())
    return found


def _look(url: str) -> _Content:
    store = _open(url)
    if is_remote(url) or not Path(url).is_file():
        # A folder that was uploaded has a manifest, which its copy on a disk has not.
        files = [info for info in store.list() if info.key != MANIFEST]
        if files:
            return _Content(store, "records" if _record_names(files) else "folder", files)
    parent, _, name = url.rstrip("/").rpartition("/")
    if name and not parent.endswith(":/"):
        above = _open(parent or ("/" if url.startswith("/") else "."))
        info = above.stat(name)
        if info is not None:
            return _Content(above, "file", [info])
    what = "is empty" if not is_remote(url) and Path(url).is_dir() else "is not there"
    raise InputMissingError(f"the input {url} {what}: correct the spec's 'inputs', or give it with -i name=URL")


def _open(url: str) -> ObjectStore:
    """The store of an input; a job reads a local one where it lies, so what its links lead to belongs to it."""
    place = parse_url(url)
    return LocalStore(place, follow_links=True) if isinstance(place, Path) else open_store(url)


def _record_names(files: list[ObjectInfo]) -> tuple[str, str] | None:
    """The one `.rec` at the top and its index, if that is what the folder holds."""
    top = [info.key for info in files if "/" not in info.key]
    records = [key for key in top if key.endswith(".rec")]
    if len(records) != 1:
        return None
    index = str(PurePosixPath(records[0]).with_suffix(".idx"))
    return (records[0], index) if index in top else None


def _fingerprint(url: str, content: _Content, advance: Advance) -> DataFingerprint:
    images = identities = None
    names = _record_names(content.files) if content.kind == "records" else None
    if names is not None:
        sizes = {info.key: info.size for info in content.files}
        records, index = names
        sampled = {name: Sampled(size, partial(content.store.read, name)) for name, size in sizes.items()}
        digest = sampled_digest(sampled[records], [sampled[name] for name in (index, "property") if name in sampled])
        images = count_images(content.store, *names, sizes[names[1]])
        identities = _identities(content.store)
    else:
        digest = _files_digest(content, advance)
    return DataFingerprint(
        url=url,
        kind=content.kind,
        sha256=digest,
        files=len(content.files),
        size=sum(info.size for info in content.files),
        images=images,
        identities=identities,
    )


def _files_digest(content: _Content, advance: Advance) -> str:
    files = content.files
    step = max(1, -(-len(files) // _MAX_READ_FILES))
    chosen = files[::step]
    digest = hashlib.sha256()
    for info in files:
        # A file is known by what it holds, wherever it is; its name matters within a folder only.
        name = "" if content.kind == "file" else info.key
        digest.update(f"{name}\0{info.size}\0".encode())

    def hash_of(info: ObjectInfo) -> bytes:
        one = hashlib.sha256()
        for piece in samples(Sampled(info.size, partial(content.store.read, info.key))):
            one.update(piece)
        return one.digest()

    with ThreadPoolExecutor(_THREADS) as pool:
        for done, value in enumerate(pool.map(hash_of, chosen), 1):
            digest.update(value)
            advance(done, len(chosen))
    return digest.hexdigest()


def _identities(store: ObjectStore) -> int | None:
    """The first number of `property`, which is how many identities there are; None without such a file."""
    try:
        match = _IDENTITIES.match(store.read("property", 0, _PROPERTY_BYTES))
    except NotFoundError:
        return None
    return int(match[1]) if match else None
