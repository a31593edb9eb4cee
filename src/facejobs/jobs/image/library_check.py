"""Whether every shared library that MXNet needs is there: `python -m facejobs.jobs.image.library_check`.

The Dockerfile runs it last, so that an image that could not import MXNet is never finished. libcuda.so.1 may be
missing: it belongs to the NVIDIA driver, which the machine brings.
"""

import re
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from facejobs.jobs.errors import JobError

DRIVER_LIBRARY = "libcuda.so.1"
_FOUND = re.compile(r"^\s*(\S+) => (/\S+) \(0x[0-9a-f]+\)$", re.MULTILINE)
_MISSING = re.compile(r"^\s*(\S+) => not found$", re.MULTILINE)
_LDD_SECONDS = 120.0


@dataclass(frozen=True)
class Libraries:
    """What some shared libraries need, directly or not: `found` by path, `missing` with those that ask for them."""

    found: dict[str, Path]
    missing: dict[str, list[str]]


def mxnet_libraries() -> list[Path]:
    """libmxnet.so and the libraries of the nvidia-*-cu11 packages, which it loads partly while it runs.

    Raises JobError where MXNet is not installed.
    """
    package = find_spec("mxnet")
    if package is None or not package.submodule_search_locations:
        raise JobError("MXNet is not installed here: install requirements.txt, or requirements/cpu.txt for the CPU")
    folder = Path(package.submodule_search_locations[0])
    library = folder / "libmxnet.so"
    if not library.is_file():
        raise JobError(f"{library} is not there: install MXNet again")
    return [library, *sorted(folder.parent.glob("nvidia/*/lib/*.so*"))]


def resolve_libraries(libraries: list[Path]) -> Libraries:
    """What the loader makes of the needs of some libraries, as ldd tells; JobError if ldd cannot read one."""
    found: dict[str, Path] = {}
    missing: dict[str, list[str]] = {}
    for library in libraries:
        output = _ldd(library)
        found.update((name, Path(path)) for name, path in _FOUND.findall(output))
        for name in _MISSING.findall(output):
            missing.setdefault(name, []).append(library.name)
    return Libraries(found, missing)


def _ldd(library: Path) -> str:
    try:
        ended = subprocess.run(["ldd", library], capture_output=True, text=True, timeout=_LDD_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise JobError(f"ldd, which shows what a library needs, cannot be run: {error}") from None
    if ended.returncode:
        raise JobError(f"{library} is no library of this machine: {(ended.stderr or ended.stdout).strip()}")
    return ended.stdout


def main() -> int:
    """Print what was found; the exit code is 1 if anything but the driver's library is missing."""
    try:
        libraries = resolve_libraries(mxnet_libraries())
    except JobError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    for name, path in sorted(libraries.found.items()):
        print(f"{name} => {path}")
    for name, users in sorted(libraries.missing.items()):
        if name == DRIVER_LIBRARY:
            print(f"{name} comes with the NVIDIA driver of the machine")
        else:
            print(f"error: {name} is missing, which {', '.join(users)} needs", file=sys.stderr)
    return int(bool(libraries.missing.keys() - {DRIVER_LIBRARY}))


if __name__ == "__main__":
    sys.exit(main())
