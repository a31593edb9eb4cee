"""Where data is: `s3://bucket/key`, `obs://bucket/key` (OBS speaks S3), or a path."""

import re
from dataclasses import dataclass
from pathlib import Path

from facejobs.storage.errors import StorageError
from facejobs.storage.keys import check_key

SCHEMES = ("s3", "obs")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
# Nobody means a folder named "s3:".
_SLASH_MISSING = re.compile(r"(?:s3|obs):(?!//)", re.IGNORECASE)
# Names that S3 and OBS accept today, and the older ones with capitals and underscores.
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]")


@dataclass(frozen=True)
class S3Location:
    """A place in a bucket; `key` has no slash at either end and is empty for the whole bucket."""

    bucket: str
    key: str


def is_remote(text: str) -> bool:
    """Whether the text is a URL (of any scheme) and not a path."""
    return _SCHEME.match(text) is not None


def parse_url(text: str) -> S3Location | Path:
    """The place that a URL or a path names; raises StorageError saying what is wrong with the text."""
    if not text:
        raise StorageError("the URL is empty: give a path, or a URL such as s3://bucket/folder")
    if "\0" in text:
        raise StorageError(f"{text!r} holds a NUL character: no file can be named so")
    scheme = _SCHEME.match(text)
    if _SLASH_MISSING.match(text):
        name, _, rest = text.partition(":")
        raise StorageError(f"{text} is no URL: write {name}://{rest.lstrip('/')}, or ./{text} for a path")
    if scheme is None:
        return Path(text)
    if scheme[1].lower() not in SCHEMES:
        known = ", ".join(f"{name}://" for name in SCHEMES)
        hint = "; give a path without file://" if scheme[1].lower() == "file" else ""
        raise StorageError(f"{text}: no store for {scheme[1]}://; there are {known} and paths{hint}")
    bucket, _, key = text[scheme.end() :].partition("/")
    if not _BUCKET.fullmatch(bucket):
        raise StorageError(
            f"{text}: {bucket!r} is no bucket name (3 to 63 letters, digits, dots and hyphens); write s3://BUCKET/FOLDER"
        )
    key = key.strip("/")
    if key:
        check_key(key, text)
    return S3Location(bucket, key)


def join_url(url: str, *parts: str) -> str:
    """The URL or path of something below `url`; empty parts are left out."""
    pieces = [part.strip("/") for part in parts]
    base = url if url.strip("/") == "" or url.endswith("://") else url.rstrip("/")
    return "/".join([base.rstrip("/") if base == "/" else base, *(piece for piece in pieces if piece)])
