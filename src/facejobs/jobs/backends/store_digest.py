"""Tells what belongs to stores of one name apart where jobs of several stores meet."""

import hashlib
import os

from facejobs.storage import environment as names
from facejobs.storage.url import is_remote


def store_digest(url: str) -> str:
    """Twelve hexadecimal digits of a place in a store; two servers' buckets of one name have others."""
    endpoint = os.environ.get(names.S3_ENDPOINT, "") if is_remote(url) else ""
    return hashlib.sha256(f"{endpoint}\n{url}".encode(errors="surrogateescape")).hexdigest()[:12]
