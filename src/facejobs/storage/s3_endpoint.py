"""Which server the environment names, and whether the environment alone says how to speak to it."""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from facejobs.storage.errors import StorageError
from facejobs.storage.s3_signature import Credentials

# The settings of botocore that a direct request honours, or that cannot concern one. With any other, AWS_PROFILE say,
# botocore is asked.
_HONOURED = frozenset(
    {
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_REGION",
        "AWS_DEFAULT_REGION",
        "AWS_ENDPOINT_URL",
        "AWS_ENDPOINT_URL_S3",
        "AWS_CONFIG_FILE",
        "AWS_SHARED_CREDENTIALS_FILE",
        "AWS_EC2_METADATA_DISABLED",
        "AWS_CA_BUNDLE",
    }
)
_FILES = (("AWS_CONFIG_FILE", "~/.aws/config"), ("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials"))
_PROXIES = ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY")
_CLOUD_HOST = re.compile(r"(^|\.)(amazonaws\.com(\.cn)?|myhuaweicloud\.(com|eu))$")
_OBS_REGION = re.compile(r"^obs\.([a-z0-9-]+)\.myhuaweicloud\.")


@dataclass(frozen=True)
class DirectAccess:
    """All that a signed request over plain HTTP needs; the bucket goes into the path."""

    host: str
    region: str
    credentials: Credentials


def endpoint_of(url: str) -> str | None:
    """What the environment names as the endpoint; None leaves it to the AWS files. Raises StorageError."""
    for name in ("S3_ENDPOINT", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"):
        text = os.environ.get(name, "").strip()
        if text:
            break
    else:
        return None
    # ModelArts and OBS consoles show endpoints as bare host names.
    endpoint = text if "://" in text else f"https://{text}"
    try:
        parts = urlsplit(endpoint)
        valid = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    if not valid:
        raise StorageError(f"{url}: {name}={text} is no endpoint; write http://HOST:PORT or https://HOST")
    return endpoint.rstrip("/")


def wants_bucket_in_host(endpoint: str) -> bool:
    """Whether the server of a cloud wants http://BUCKET.HOST/KEY."""
    return _CLOUD_HOST.search(urlsplit(endpoint).hostname or "") is not None


def region_named(endpoint: str | None, configured: str | None) -> str:
    """The region of AWS_REGION, else the `configured` one, else that of an OBS host, else us-east-1."""
    from_host = _OBS_REGION.match(urlsplit(endpoint).hostname or "") if endpoint else None
    named = os.environ.get("AWS_REGION") or configured
    return str(named or (from_host[1] if from_host else "us-east-1"))


def direct_access(endpoint: str | None) -> DirectAccess | None:
    """How to ask without botocore; None wherever botocore might do anything else than is done here."""
    if endpoint is None or wants_bucket_in_host(endpoint):
        return None
    parts = urlsplit(endpoint)
    if (parts.scheme, parts.path, parts.query, parts.fragment) != ("http", "", "", "") or "@" in parts.netloc:
        return None
    credentials = Credentials(*(os.environ.get(name, "") for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")))
    if not credentials.key_id or not credentials.secret or not _environment_says_all():
        return None
    token = os.environ.get("AWS_SESSION_TOKEN", "")
    return DirectAccess(
        host=parts.netloc.removesuffix(":80"),
        region=region_named(endpoint, os.environ.get("AWS_DEFAULT_REGION")),
        credentials=Credentials(credentials.key_id, credentials.secret, token),
    )


def _environment_says_all() -> bool:
    if any(name.startswith("AWS_") and name not in _HONOURED for name in os.environ):
        return False
    if any(os.environ.get(name) for name in _PROXIES):
        return False
    return not any(_says_something(os.environ.get(name) or default) for name, default in _FILES)


def _says_something(file: str) -> bool:
    try:
        return Path(file).expanduser().stat().st_size > 0
    except (OSError, RuntimeError):
        return False
