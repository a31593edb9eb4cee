"""Opening a `.rec` of 5 million records: seconds and memory, against a file a hundredth its size.

Writes both files (records of one header, no pixels) into a temporary folder, then opens each in a process of its own.
The last line is the large file's added memory over the small one's.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

_OPEN = """
import sys, time
from pathlib import Path
from facejobs.data.face_records import FaceRecordFile
def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
FaceRecordFile.open(Path(sys.argv[2]))  # warms up imports and allocator pools
before, start = resident(), time.perf_counter()
records = FaceRecordFile.open(Path(sys.argv[1]))
opened = time.perf_counter() - start
added = resident() - before
rng = __import__("numpy").random.default_rng(0)
positions = rng.integers(0, len(records), 20000).tolist()
start = time.perf_counter()
for position in positions:
    records.image(position)
print(opened, added, (time.perf_counter() - start) / len(positions), len(records))
"""
_RECORDS_AT_ONCE = 1 << 18


def write_tiny_records(directory: Path, images: int, num_classes: int = 1000) -> None:
    """Write a data set of `images` records of 24 bytes of payload (a header, no pixels), numbered from 0."""
    record = np.dtype(
        [("magic", "<u4"), ("length", "<u4"), ("flag", "<u4"), ("label", "<f4"), ("id", "<u8"), ("id2", "<u8")]
    )
    directory.mkdir(parents=True)
    with (directory / "tiny.rec").open("wb") as records, (directory / "tiny.idx").open("w") as index:
        for start in range(0, images, _RECORDS_AT_ONCE):
            keys = np.arange(start, min(start + _RECORDS_AT_ONCE, images))
            block = np.zeros(len(keys), record)
            block["magic"], block["length"] = 0xCED7230A, 24
            block["label"], block["id"] = keys * num_classes // images, keys
            records.write(block.tobytes())
            index.write("".join(f"{key}\t{key * record.itemsize}\n" for key in keys.tolist()))
    (directory / "property").write_text(f"{num_classes},112,112\n")


def measure(directory: Path, warm_up: Path) -> tuple[float, int, float, int]:
    """Return (seconds to open, bytes added to the process, seconds per look-up, images)."""
    command = [sys.executable, "-c", _OPEN, str(directory), str(warm_up)]
    opened, added, look_up, images = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return float(opened), int(added), float(look_up), int(images)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=int, default=5_000_000)
    wanted = parser.parse_args().records
    with tempfile.TemporaryDirectory() as folder:
        small, large, warm_up = Path(folder, "small"), Path(folder, "large"), Path(folder, "warm-up")
        write_tiny_records(small, wanted // 100)
        write_tiny_records(large, wanted)
        write_tiny_records(warm_up, 100)
        memory = []
        for directory in (small, large):
            opened, added, look_up, images = measure(directory, warm_up)
            memory.append(added)
            print(
                f"{images:>10,} records: opened in {opened:.3f} s, {added / 2**20:.1f} MiB more memory, "
                f"{look_up * 1e6:.1f} us for a random image"
            )
    print(f"memory added by the larger file over the smaller one: {(memory[1] - memory[0]) / 2**20:+.1f} MiB")


if __name__ == "__main__":
    main()
