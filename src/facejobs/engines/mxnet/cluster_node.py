"""Is a scheduler or server of MXNet's kvstore, as DMLC_ROLE says, until its parent dies.

Run as a file: `python cluster_node.py PARENT`.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Tie the life of this process to its parent's, then serve."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != int(sys.argv[1]):
        sys.exit(1)
    # A terminal's Ctrl-C, or a signal to the whole group, is for the worker, which needs this process to save.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    # Importing it serves, and returns when the cluster ends.
    import mxnet  # noqa: F401


if __name__ == "__main__":
    # Not this folder, whose modules have names that others have too.
    sys.path.pop(0)
    main()
