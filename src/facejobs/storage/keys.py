"""Which keys name one file below a folder, on every store, and nothing else."""

from facejobs.storage.errors import StorageError

# Files that are being written carry this prefix until they are renamed; no store lists them.
TEMPORARY = ".facejobs-writing-"
_LONGEST = 1024  # bytes of UTF-8: the limit of S3


def check_key(key: str, where: str) -> str:
    """The key itself; raises StorageError naming `where` if it is empty or could leave the store's root."""
    fault = _fault(key)
    if fault:
        raise StorageError(f"{where}: {key!r} cannot be used as the name of an object or file: {fault}")
    return key


def is_temporary(key: str) -> bool:
    """Whether the key is of a file that this package has not finished writing."""
    return any(part.startswith(TEMPORARY) for part in key.split("/"))


def _fault(key: str) -> str | None:
    if not key:
        return "it is empty"
    if key.startswith("/"):
        return "it is absolute"
    parts = key.split("/")
    if ".." in parts or "." in parts:
        return "it holds a '.' or '..' folder"
    if "" in parts:
        return "it holds an empty folder name"
    if "\\" in key:
        return "it holds a backslash"
    if any(ord(character) < 32 or ord(character) == 127 for character in key):
        return "it holds a control character"
    if is_temporary(key):
        return f"names that begin with {TEMPORARY} are kept for files being written"
    try:
        length = len(key.encode())
    except UnicodeEncodeError:
        return "it is not valid Unicode"
    return f"it is longer than {_LONGEST} bytes" if length > _LONGEST else None
