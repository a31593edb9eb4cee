"""Is a scheduler or server of MXNet's kvstore, as DMLC_ROLE says, until its parent dies.

Run as a file: `python cluster_node.py PARENT`.
"""

import ctypes
import importlib.util
import os
import signal
import sys
from pathlib import Path

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Tie the life of this process to its parent's, then serve."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != int(sys.argv[1]):
        sys.exit(1)
    # A terminal's Ctrl-C, or a signal to the whole group, is for the worker, which needs this process to save.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    serve()


def serve() -> None:
    """Do what importing mxnet does in these roles, with its library alone: the import takes 3 s of processor time."""
    package = importlib.util.find_spec("mxnet")
    assert package is not None and package.submodule_search_locations
    library = ctypes.CDLL(str(Path(package.submodule_search_locations[0]) / "libmxnet.so"))
    library.MXGetLastError.restype = ctypes.c_char_p
    store = ctypes.c_void_p()
    # Called for commands of an optimiser's, of which there are none: servers only add.
    command = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)(lambda *_: None)
    failed = library.MXKVStoreCreate(b"dist", ctypes.byref(store))
    if failed or library.MXKVStoreRunServer(store, command, None):
        sys.exit(f"MXNet's {os.environ['DMLC_ROLE']} failed: {library.MXGetLastError().decode(errors='replace')}")


if __name__ == "__main__":
    # Not this folder, whose modules have names that others have too.
    sys.path.pop(0)
    main()
