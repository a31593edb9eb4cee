"""`facejobs versions` over a job of thousands of versions on an S3 server, as the command is typed.

    python benchmarks/list_versions.py [--versions 2000]

Fills a SeaweedFS on this machine with versions (a tenth FAILED, the others COMPLETED, with a metrics journal), then
runs the command in a process of its own: at first without the index, which it leaves behind, then with it. Against it
stand the bare round trips: the same reads (the record, the status and the journal of every version) by a plain boto3
client in as many threads, doing nothing with the answers.
The last lines are the seconds that the command takes more than those round trips, and its time over theirs.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "integration"))

from seaweedfs import SeaweedFS

from facejobs.jobs.spec import JobSpec
from facejobs.jobs.status import State, Status, Transition
from facejobs.jobs.submission import claim
from facejobs.jobs.version_index import INDEX, THREADS
from facejobs.jobs.version_record import RECORD, version_name
from facejobs.jobs.versions import open_version_store

JOB = "many"
ROUNDS = 3


def fill(url: str, versions: int) -> None:
    """Write the objects that `facejobs versions` reads, as that many finished jobs would have left them."""
    store = open_version_store(url)
    spec = JobSpec(name=JOB, command="true", outputs={"model": None}, parameters={"lr": 0.1, "seed": 1})
    record = claim(spec, store, "local", {}).record
    journal = "".join(
        json.dumps({"step": step, "epoch": 0, "name": name, "value": 0.5, "time": 1.0}) + "\n"
        for step in range(0, 200, 10)
        for name in ("loss", "lr", "lfw_accuracy")
    ).encode()

    def write(number: int) -> None:
        folder = store.folder(JOB, number).store
        end = State.FAILED if number % 10 == 0 else State.COMPLETED
        states = (State.PENDING, State.RUNNING, end)
        status = Status(transitions=tuple(Transition(state=state, time=datetime.now(UTC)) for state in states))
        numbered = record.model_copy(update={"version": version_name(number)})
        folder.write(RECORD, numbered.model_dump_json().encode())
        folder.write("status.json", status.model_dump_json().encode())
        folder.write("metrics.jsonl", journal)

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(write, range(1, versions + 1)))


def round_trips(server: SeaweedFS, bucket: str, versions: int) -> float:
    """Seconds in which a plain client reads the same objects with the same number of threads."""
    import boto3
    from botocore.config import Config

    client = boto3.client(
        "s3",
        endpoint_url=server.endpoint,
        aws_access_key_id=server.access_key,
        aws_secret_access_key=server.secret_key,
        region_name="us-east-1",
        config=Config(max_pool_connections=THREADS),
    )
    keys = [
        f"store/jobs/{JOB}/{version_name(number)}/{name}"
        for number in range(1, versions + 1)
        for name in (RECORD, "status.json", "metrics.jsonl")
    ]
    start = time.perf_counter()
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(lambda key: client.get_object(Bucket=bucket, Key=key)["Body"].read(), keys))
    return time.perf_counter() - start


def command(url: str, versions: int) -> float:
    """Seconds of one `facejobs versions`; AssertionError if it lists another number of them."""
    line = [sys.executable, "-m", "facejobs.cli.main", "versions", JOB, "--store", url]
    start = time.perf_counter()
    shown = subprocess.run(line, check=True, capture_output=True, text=True).stdout
    wall = time.perf_counter() - start
    assert len(shown.splitlines()) == versions + 1, shown[-500:]
    return wall


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--versions", type=int, default=2000)
    versions = parser.parse_args().versions
    with tempfile.TemporaryDirectory() as folder:
        server = SeaweedFS(Path(folder))
        server.start()
        try:
            os.environ.update(server.environment)
            bucket = server.make_bucket("versions").removeprefix("s3://")
            url = f"s3://{bucket}/store"
            fill(url, versions)
            store = open_version_store(url)
            bare, without, with_index = [], [], []
            for _ in range(ROUNDS):
                store.job_store(JOB).delete([INDEX])
                bare.append(round_trips(server, bucket, versions))
                without.append(command(url, versions))
                with_index.append(command(url, versions))
        finally:
            server.kill()
    trips = statistics.median(bare)
    print(f"bare round trips, {3 * versions:,} objects in {THREADS} threads: {trips:.2f} s")
    for name, seconds in (
        ("building the index", statistics.median(without)),
        ("with it", statistics.median(with_index)),
    ):
        print(f"facejobs versions, {name}: {seconds:.2f} s, {seconds - trips:+.2f} s, ratio {seconds / trips:.2f}")


if __name__ == "__main__":
    main()
