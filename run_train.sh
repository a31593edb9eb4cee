#!/bin/bash
# The entry point of a task in every image: bash run_train.sh COMMAND ARGUMENT...
# Fetches code and data, runs the command, uploads its checkpoints while it runs and its output, verified, at the end.
# docs/reference/boot-contract.md has the environment it reads and its exit codes.
set -u

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)

for python in "${FACEJOBS_PYTHON:-}" "$here/.venv/bin/python" python3 python; do
    if [ -n "$python" ] && command -v -- "$python" >/dev/null && "$python" -c 'import facejobs.jobs.boot' 2>/dev/null; then
        # exec: signals reach the process that passes them on, and its exit code is this one's.
        exec "$python" -m facejobs.jobs.boot "$@"
    fi
done

echo "error: no Python here has facejobs: install it in the image, or name a Python that has it with FACEJOBS_PYTHON" >&2
exit 1
