"""Which names and URLs look as if they carried a secret, so that none ends up in a spec that is kept for good."""

import re

_WORDS = frozenset(("SECRET", "SECRETS", "TOKEN", "PASSWORD", "PASSWD", "PASSPHRASE", "CREDENTIAL", "CREDENTIALS"))
_KEYS = re.compile(r"(?:ACCESS|API|PRIVATE|SECRET|ACCOUNT)_?KEY(?:_?ID)?$")
# The name of a file, or of a place to ask, is no secret itself.
_POINTERS = ("_FILE", "_PATH", "_URI", "_URL", "_NAME")
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
