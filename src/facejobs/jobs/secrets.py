"""What is or looks like a secret, so that none ends up in a spec that is kept for good."""

import re
from collections.abc import Callable, Iterable

_WORDS = frozenset(("SECRET", "SECRETS", "TOKEN", "PASSWORD", "PASSWD", "PASSPHRASE", "CREDENTIAL", "CREDENTIALS"))
_KEYS = re.compile(r"(?:ACCESS|API|PRIVATE|SECRET|ACCOUNT)_?KEY(?:_?ID)?$")
# The name of a file, or of a place to ask, is no secret itself.
_POINTERS = ("_FILE", "_PATH", "_URI", "_URL", "_NAME")
# A shorter value stands in ordinary text by chance.
_SHORTEST_VALUE = 8
_USER_IN_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?#\s]*@")


def looks_secret(name: str) -> bool:
    """Whether a variable or parameter of this name usually holds a secret: AWS_SECRET_ACCESS_KEY, api-token."""
    words = re.sub(r"[^A-Za-z0-9]+", "_", name).upper().strip("_")
    if words.endswith(_POINTERS):
        return False
    return not _WORDS.isdisjoint(words.split("_")) or _KEYS.search(words) is not None


def holds_credentials(text: str) -> bool:
    """Whether a URL in the text carries a user and a password, as in `scheme://user:password@host/`."""
    return _USER_IN_URL.search(text) is not None


def place_of_secret(value: object, secrets: Iterable[str]) -> str | None:
    """Where nested mappings and lists hold one of these values, as `parameters.note`; None if nowhere."""
    long = [secret for secret in secrets if len(secret) >= _SHORTEST_VALUE]
    return _place(value, lambda text: any(secret in text for secret in long))


def place_of_credentials(value: object) -> str | None:
    """Where nested mappings and lists hold a URL with a user and a password; None if nowhere."""
    return _place(value, holds_credentials)


def _place(value: object, found: Callable[[str], bool]) -> str | None:
    if isinstance(value, str):
        return "" if found(value) else None
    if isinstance(value, dict):
        inside = value.items()
    elif isinstance(value, list | tuple):
        inside = dict(enumerate(value)).items()
    else:
        return None
    for key, item in inside:
        if _place(str(key), found) is not None:
            return "a name"
        below = _place(item, found)
        if below is not None:
            return f"{key}.{below}" if below else str(key)
    return None
