"""Which code a version came from: commit, uncommitted changes, new files; never a file of secrets."""

import subprocess
from pathlib import Path

import pytest

from facejobs.jobs import code_facts
from facejobs.jobs.code_facts import CodeFacts, gather_code


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=a", "-c", "user.email=a@b")
    done = subprocess.run(["git", "-C", folder, *identity, *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repo"
    (folder / "sub").mkdir(parents=True)
    git(folder, "init", "-q")
    (folder / "train.py").write_text("lr = 1\n")
    (folder / ".gitignore").write_text("build/\n")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "first")
    return folder


def test_a_clean_clone(repository: Path) -> None:
    facts, diff = gather_code(repository / "sub")
    assert (facts.commit, facts.repository) == (git(repository, "rev-parse", "HEAD"), "repo")
    assert (facts.dirty, diff, facts.untracked) == (False, b"", ())
    assert facts.sha256 == gather_code(repository)[0].sha256


def test_changes_and_new_files_from_any_subfolder(repository: Path) -> None:
    clean = gather_code(repository)[0]
    (repository / "train.py").write_text("lr = 2\n")
    facts, diff = gather_code(repository / "sub")
    assert facts.dirty
    assert b"-lr = 1\n+lr = 2" in diff
    (repository / "new é.py").write_text("x = 1\n")
    (repository / "build").mkdir()
    (repository / "build" / "x.o").write_text("")
    with_new = gather_code(repository)[0]
    assert with_new.untracked == ("new é.py",)
    (repository / "new é.py").write_text("x = 2\n")
    changed = gather_code(repository)[0]
    assert len({clean.sha256, facts.sha256, with_new.sha256, changed.sha256}) == 4


def test_staged_changes_count(repository: Path) -> None:
    (repository / "train.py").write_text("lr = 3\n")
    git(repository, "add", "train.py")
    assert b"+lr = 3" in gather_code(repository)[1]


@pytest.mark.parametrize("name", [".env", "sub/.env", "prod.env", ".env.local", "sub/server.pem", "id.key"])
def test_files_of_secrets_are_left_out(repository: Path, name: str) -> None:
    (repository / name).write_text("TOKEN=first\n")
    facts, _ = gather_code(repository)
    assert (facts.untracked, facts.dirty) == ((), False)
    git(repository, "add", "-A")
    git(repository, "commit", "-q", "-m", "oops")
    (repository / name).write_text("TOKEN=second\n")
    assert gather_code(repository)[1] == b""


def test_a_large_diff_is_cut(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(code_facts, "_DIFF_BYTES", 100)
    (repository / "train.py").write_text("".join(f"line {number}\n" for number in range(100)))
    facts, diff = gather_code(repository)
    assert 80 < len(diff) <= 100 and facts.diff_truncated
    assert diff.endswith(b"\n")
    assert facts.diff_bytes > 100


def test_a_repository_without_a_commit(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    (tmp_path / "a.py").write_text("a\n")
    git(tmp_path, "add", "a.py")
    facts, diff = gather_code(tmp_path)
    assert (facts.commit, facts.dirty) == (None, True)
    assert b"+a" in diff


def test_no_repository_and_no_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert gather_code(tmp_path) == (CodeFacts(), b"")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert gather_code(Path.cwd()) == (CodeFacts(), b"")
