"""A copy of a boot script, in a repository whose programs only say what they were told."""

import os
import shutil
import subprocess
from pathlib import Path

JOBS = Path(__file__).resolve().parent.parent / "jobs"


def copy_script(name: str, folder: Path) -> Path:
    """The script called `name`; its facejobs prints its arguments, and its run_train.sh what it was told."""
    repository = folder / "a repository"
    (repository / "jobs").mkdir(parents=True)
    for path in JOBS.glob("*.sh"):
        shutil.copy(path, repository / "jobs")
    command = repository / ".venv" / "bin" / "facejobs"
    command.parent.mkdir(parents=True)
    command.write_text("#!/bin/sh\nprintf '<%s>' \"$@\"\n")
    command.chmod(0o755)
    told = 'printf "%s\\n" "$FACEJOBS_INPUTS" "${DLS_TRAIN_URL-none}" "$FACEJOBS_WORK"\nprintf "<%s>" "$@"\n'
    (repository / "run_train.sh").write_text(told)
    return repository / "jobs" / name


def run(script: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run it without the caller's environment."""
    inherited = {"PATH": os.environ["PATH"], "TMPDIR": str(script.parent)}
    command = ["sh", script, *arguments]
    return subprocess.run(command, env={**inherited, **environment}, capture_output=True, text=True, check=False)
