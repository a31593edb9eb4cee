"""Versions made up in a local store, as submitting and training would have left them."""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facejobs.jobs.code_facts import CodeFacts
from facejobs.jobs.environment_facts import EnvironmentFacts
from facejobs.jobs.fingerprint import DataFingerprint
from facejobs.jobs.spec import JobSpec
from facejobs.jobs.status import State, record
from facejobs.jobs.version_record import VersionRecord, version_name
from facejobs.jobs.versions import VersionFolder, VersionStore, open_version_store

PROTOCOL = "lfw-pairs:10-fold:c043e6726331:mirror-sum"
DEFAULTS = {"lr": 0.1, "batch_size": 32, "loss": "cosface", "seed": 1}


def journal(
    accuracies: Sequence[float], protocol: str = PROTOCOL, steps: int = 100, metric: str = "lfw_accuracy"
) -> str:
    """A loss every tenth step, and the accuracies evenly over the run."""
    lines: list[dict[str, Any]] = [
        {"step": step, "epoch": (step - 1) // 50, "name": "loss", "value": 6 - step / steps, "time": 1000.0 + step}
        for step in range(10, steps + 1, 10)
    ]
    for number, accuracy in enumerate(accuracies, 1):
        step = steps * number // len(accuracies)
        place = {"step": step, "epoch": (step - 1) // 50, "name": metric, "value": accuracy, "time": 1000.5 + step}
        lines.append({**place, "protocol": protocol})
    return "".join(json.dumps(line) + "\n" for line in lines)


def scores(
    accuracy: float, pairs: int = 600, protocol: str = PROTOCOL, seed: int = 0, shift: float = 0.0
) -> dict[str, Any]:
    """Half the pairs of one person; exactly `accuracy` of all decided rightly, the first ones."""
    generator = np.random.default_rng(seed)
    same = np.arange(pairs) % 2 == 0
    distance = np.clip(np.where(same, 0.9, 1.7 + shift) + generator.normal(0, 0.3, pairs), 0, 4)
    return {
        "format": 1,
        "protocol": protocol,
        "pairs": pairs,
        "distance": distance.round(6).tolist(),
        "same": same.tolist(),
        "correct": (np.arange(pairs) < round(accuracy * pairs)).tolist(),
    }


@pytest.fixture
def version_store(tmp_path: Path) -> VersionStore:
    return open_version_store(str(tmp_path / "store"))


@pytest.fixture
def make_version(version_store: VersionStore) -> Callable[..., VersionFolder]:
    """Makes the next version of the job `cele`."""

    def make(
        parameters: Mapping[str, Any] | None = None,
        accuracies: Sequence[float] = (0.8,),
        *,
        state: State = State.COMPLETED,
        resolved: bool = True,
        data: str = "a" * 64,
        commit: str = "1" * 40,
        packages: Mapping[str, str] | None = None,
        host: str = "here",
        description: str = "",
        metrics: str | None = None,
        pair_scores: Mapping[str, Any] | None = None,
        job: str = "cele",
    ) -> VersionFolder:
        given = {"lr": 0.1, **(parameters or {})}
        spec = JobSpec(
            name=job, description=description, command="train", inputs={"data": "/data"}, outputs={"model": None},
            parameters=given,
        )  # fmt: skip
        environment = EnvironmentFacts(
            host=host, platform="Linux", python="3.11.2", packages={"numpy": "1.23.5", **(packages or {})},
            cpu="Xeon", cpus=2, memory=None,
        )  # fmt: skip
        fingerprint = DataFingerprint(url="/data", kind="folder", sha256=data, files=3, size=10, images=4274)

        def make_record(number: int) -> VersionRecord:
            return VersionRecord(
                job=job, version=version_name(number), spec=spec, created=datetime(2026, 11, 21, 7, tzinfo=UTC),
                by="ada@here", code=CodeFacts(commit=commit, sha256=commit), environment=environment,
                data={"data": fingerprint},
            )  # fmt: skip

        folder = version_store.claim(job, make_record)
        record(folder.store, state)
        text = journal(accuracies) if metrics is None else metrics
        folder.store.write("metrics.jsonl", text.encode())
        if resolved:
            plain = {name.replace("-", "_"): value for name, value in given.items()}
            written = {"format": 1, "task": "recognition", "parameters": {**DEFAULTS, **plain}, "software": {}}
            folder.store.write("params.json", json.dumps(written).encode())
        if pair_scores is not None:
            folder.store.write("scores/lfw.json", json.dumps(pair_scores).encode())
        return folder

    return make
