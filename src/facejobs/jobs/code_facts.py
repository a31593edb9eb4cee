"""Which code a version was submitted with: the commit, and what was not committed."""

import hashlib
import subprocess
from pathlib import Path

from pydantic import BaseModel, ConfigDict

DIFF = "code.diff"
_DIFF_BYTES = 1 << 20
_GIT_SECONDS = 30.0
# Files that usually hold secrets: neither their content nor their change is kept.
_NEVER = (".env", "*.env", ".env.*", "*.pem", "*.key")


class CodeFacts(BaseModel):
    """`sha256` tells one state of the code from another; all is None outside a git repository."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    repository: str | None = None
    commit: str | None = None
    dirty: bool = False
    untracked: tuple[str, ...] = ()
    diff_bytes: int = 0
    diff_truncated: bool = False
    sha256: str | None = None


def gather_code(folder: Path) -> tuple[CodeFacts, bytes]:
    """Facts of the git repository that holds `folder`, and its uncommitted diff: whole lines, at most 1 MiB, no .env.

    A folder outside any repository, or a machine without git, gives empty facts.
    """
    top = _git(folder, "rev-parse", "--show-toplevel")
    if top is None:
        return CodeFacts(), b""
    root = Path(top.decode().rstrip("\n"))
    left_out = [f":(exclude,glob)**/{name}" for name in _NEVER]
    commit = (_git(root, "rev-parse", "--verify", "-q", "HEAD") or b"").decode().strip() or None
    base = commit or _EMPTY_TREE
    diff = _git(root, "diff", "--no-color", "--no-ext-diff", "--no-textconv", base, "--", ".", *left_out) or b""
    listed = _git(root, "ls-files", "--others", "--exclude-standard", "-z", "--", ".", *left_out) or b""
    names = sorted(name.decode(errors="replace") for name in listed.split(b"\0") if name)
    untracked = [name for name in names if Path(name).suffix in _CODE]
    digest = hashlib.sha256((commit or "").encode() + b"\0" + diff)
    for name in untracked:
        digest.update(b"\0" + name.encode() + _content_digest(root / name))
    facts = CodeFacts(
        repository=root.name,
        commit=commit,
        dirty=bool(diff or untracked),
        untracked=tuple(untracked[:_MAX_UNTRACKED]),
        diff_bytes=len(diff),
        diff_truncated=len(diff) > _DIFF_BYTES,
        sha256=digest.hexdigest(),
    )
    # Whole lines: of a secret that is cut in two nobody would know the rest.
    return facts, diff if len(diff) <= _DIFF_BYTES else diff[: diff.rfind(b"\n", 0, _DIFF_BYTES) + 1]


# Of files that git does not know, these are code; others are data, reports, or a version store.
_CODE = frozenset((".py", ".sh", ".yaml", ".yml", ".toml", ".cfg", ".ini", ".c", ".cc", ".cpp", ".cu", ".h"))
_EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
_MAX_UNTRACKED = 500
_HASHED_BYTES = 1 << 20


def _content_digest(path: Path) -> bytes:
    """SHA-256 of the size and the first mebibyte: an untracked file may be a data set."""
    try:
        with path.open("rb") as file:
            return hashlib.sha256(str(path.stat().st_size).encode() + file.read(_HASHED_BYTES)).digest()
    except OSError:
        return b""


def _git(folder: Path, *arguments: str) -> bytes | None:
    command = ["git", "-C", str(folder), "-c", "core.quotepath=off", *arguments]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_GIT_SECONDS, stdin=subprocess.DEVNULL, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
