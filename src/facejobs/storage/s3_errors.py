"""What a refused or failed S3 request means, in words that say what to do."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from facejobs.storage.errors import AccessError, CorruptError, NotFoundError, StorageError, UnreachableError

_WRONG_REGION = (
    "the bucket is in another region than the request was signed for; set AWS_REGION to the bucket's region "
    "(and S3_ENDPOINT to its endpoint, if you set one)"
)
_NO_SUCH_KEY_ID = (
    "the server does not know this access key; check AWS_ACCESS_KEY_ID, and that S3_ENDPOINT is the server it is for"
)
_EXPIRED = "the temporary credentials have expired or the session token is wrong; get new ones (AWS_SESSION_TOKEN)"
_DENIED = "access denied: these credentials may not do this here; ask the bucket's owner for the right"
_SKEWED = (
    "the clocks of this machine and of the server differ by more than the server allows; set this machine's clock (NTP)"
)
_FULL = "the server has no room left or a quota is used up; delete something or have the quota raised"
_DAMAGED = (
    "the server received other bytes than were sent; try again, and check the network (proxy, memory) if it persists"
)
_CHANGED = "the object was changed while it was being read; try again when its writer is done"

_MEANING: dict[str, tuple[type[StorageError], str]] = {
    "InvalidAccessKeyId": (AccessError, _NO_SUCH_KEY_ID),
    "SignatureDoesNotMatch": (AccessError, "the secret key is wrong; check AWS_SECRET_ACCESS_KEY"),
    "ExpiredToken": (AccessError, _EXPIRED),
    "InvalidToken": (AccessError, _EXPIRED),
    "TokenRefreshRequired": (AccessError, _EXPIRED),
    "AccessDenied": (AccessError, _DENIED),
    "AllAccessDisabled": (AccessError, _DENIED),
    "AccountProblem": (AccessError, "the account is blocked; ask the provider"),
    "403": (AccessError, _DENIED),
    "RequestTimeTooSkewed": (AccessError, _SKEWED),
    "NoSuchBucket": (NotFoundError, "the bucket does not exist; check its name, or create it"),
    "NoSuchKey": (NotFoundError, "there is no such object"),
    "404": (NotFoundError, "there is no such object"),
    "InvalidBucketName": (StorageError, "the server refuses this bucket name; check it"),
    "AuthorizationHeaderMalformed": (StorageError, _WRONG_REGION),
    "PermanentRedirect": (StorageError, _WRONG_REGION),
    "IllegalLocationConstraintException": (StorageError, _WRONG_REGION),
    "301": (StorageError, _WRONG_REGION),
    "SecondLevelDomainForbidden": (
        StorageError,
        "this server wants the bucket in the host name; set `s3 =` / `addressing_style = virtual` in ~/.aws/config",
    ),
    "QuotaExceeded": (StorageError, _FULL),
    "InsufficientStorage": (StorageError, _FULL),
    "XMinioStorageFull": (StorageError, _FULL),
    "507": (StorageError, _FULL),
    "EntityTooLarge": (StorageError, "the object is larger than the server takes"),
    "NotImplemented": (
        StorageError,
        "the server does not know this kind of request; `facejobs storage doctor` says which",
    ),
    "InvalidObjectState": (StorageError, "the object is archived; restore it first"),
    "BadDigest": (CorruptError, _DAMAGED),
    "XAmzContentSHA256Mismatch": (CorruptError, _DAMAGED),
    "PreconditionFailed": (CorruptError, _CHANGED),
    "412": (CorruptError, _CHANGED),
}

# Answers that ask for another try, besides every 5xx but 501 (not implemented), 505 and 507 (full).
_DAMAGE = frozenset({"BadDigest", "XAmzContentSHA256Mismatch"})
_PASSING = frozenset({"SlowDown", "RequestTimeout", "Throttling", "ThrottlingException", "TooManyRequests"})
_PASSING |= {"OperationAborted", "ConditionalRequestConflict", "IncompleteBody", *_DAMAGE}
_LASTING_STATUS = frozenset({501, 505, 507})


@contextmanager
def explained(url: str, endpoint: str) -> Iterator[None]:
    """Turn what botocore raises inside into a StorageError that names `url` and says what to do."""
    try:
        yield
    except StorageError:
        raise
    except Exception as error:
        explanation = _explanation(error, url, endpoint)
        if explanation is None:
            raise
        raise explanation from None


def _explanation(error: Exception, url: str, endpoint: str) -> StorageError | None:
    # Imported only now: it takes longer than a read that succeeds without botocore.
    from botocore import exceptions as boto

    if isinstance(error, boto.ClientError):
        return _refused(error.response, url)
    if isinstance(error, boto.HTTPClientError | boto.ConnectionError | boto.IncompleteReadError):
        return UnreachableError(unreachable(url, endpoint, error))
    if isinstance(error, boto.ProfileNotFound):
        return AccessError(f"{url}: {error}; check AWS_PROFILE and ~/.aws/config")
    if isinstance(error, boto.NoCredentialsError | boto.PartialCredentialsError | boto.CredentialRetrievalError):
        return AccessError(
            f"{url}: no usable credentials ({_sentence(error)}); set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, "
            "or AWS_PROFILE"
        )
    return StorageError(f"{url}: {_sentence(error)}") if isinstance(error, boto.BotoCoreError) else None


def unreachable(url: str, endpoint: str, error: Exception) -> str:
    """The message for a server that cannot be talked to."""
    from botocore import exceptions as boto

    if isinstance(error, boto.SSLError):
        return (
            f"{url}: no secure connection to {endpoint}: {_sentence(error)}; use http:// in S3_ENDPOINT if the "
            "server has no TLS, or point AWS_CA_BUNDLE at its certificate authority"
        )
    if isinstance(error, boto.ProxyConnectionError):
        return f"{url}: the proxy does not answer: {_sentence(error)}; check HTTP_PROXY, HTTPS_PROXY and NO_PROXY"
    said = _sentence(error)
    return f"{url}: no answer from {endpoint} ({said}); check S3_ENDPOINT, the network, and that the server runs"


def is_passing(error: Exception) -> bool:
    """Whether the same request may succeed a moment later: throttling, a server's fault, a broken connection."""
    from botocore import exceptions as boto

    if isinstance(error, boto.ClientError):
        code, status = code_of(error.response), status_of(error.response)
        return code in _PASSING or status == 429 or (status >= 500 and status not in _LASTING_STATUS)
    if isinstance(error, boto.SSLError):
        # A certificate stays wrong; a handshake that was cut off does not.
        return "CERTIFICATE" not in str(error).upper() and "WRONG_VERSION" not in str(error).upper()
    return isinstance(error, boto.HTTPClientError | boto.ConnectionError | boto.IncompleteReadError)


def is_damage(error: Exception) -> bool:
    """Whether the server says that it received other bytes than were sent."""
    from botocore import exceptions as boto

    return isinstance(error, boto.ClientError) and code_of(error.response) in _DAMAGE


def code_of(response: dict[str, Any]) -> str:
    """The error code of an answer, such as NoSuchKey; the HTTP status as text where the answer has no body (HEAD)."""
    return str(response.get("Error", {}).get("Code") or status_of(response))


def status_of(response: dict[str, Any]) -> int:
    """The HTTP status of an answer, or 0."""
    return int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _refused(response: dict[str, Any], url: str) -> StorageError:
    code, status = code_of(response), status_of(response)
    said = str(response.get("Error", {}).get("Message") or "").strip().rstrip(".")
    detail = f"{code}: {said}" if said and said != code else code
    kind, meaning = _MEANING.get(code, _MEANING.get(str(status), (StorageError, "")))
    if meaning:
        return kind(f"{url}: {meaning} ({detail})")
    if status >= 500 or status == 429 or code in _PASSING:
        return UnreachableError(
            f"{url}: the server is overloaded or failing and keeps answering {detail}; try again later"
        )
    return StorageError(f"{url}: the server refused the request ({detail})")


def _sentence(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".")
