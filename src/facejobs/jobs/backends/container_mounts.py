"""Where things of this machine are in a container: in one folder of its root, so that they hide nothing there."""

import os
from dataclasses import dataclass
from pathlib import Path

from facejobs.jobs.backends.container_order import task_folder
from facejobs.jobs.spec import JobSpec
from facejobs.storage.url import is_remote

_ROOT = "/facejobs"
# The certificates by which an object store is trusted whose own are not those of a public authority.
CA_BUNDLE = "AWS_CA_BUNDLE"
WORK_INSIDE = f"{_ROOT}/work"


@dataclass(frozen=True)
class Mount:
    """A file or folder of this machine in the container."""

    source: str
    target: str
    read_only: bool

    @property
    def argument(self) -> str:
        """The value of `--mount`, which unlike `--volume` makes no folder that is not there."""
        return f"type=bind,source={self.source},target={self.target}" + (",readonly" if self.read_only else "")

    @property
    def fault(self) -> str | None:
        """Why it cannot be mounted, in words: `--mount` is read as a line of CSV, which podman knows no escape in."""
        bad = sorted({character for character in self.source + self.target if character in ',"\r\n'})
        return f"{self.source!r} cannot be mounted: rename it without {' and '.join(map(repr, bad))}" if bad else None


@dataclass(frozen=True)
class Mounts:
    """What is mounted, and the spec and the version's URL as the container sees them."""

    mounts: list[Mount]
    spec: JobSpec
    url: str
    ca_bundle: str | None

    @property
    def written(self) -> list[str]:
        """The folders of this machine that the container writes to."""
        return [mount.source for mount in self.mounts if not mount.read_only]


def mounts_of(spec: JobSpec, url: str, work: Path) -> Mounts:
    """Mounts for the version at `url`, absolute or remote: its work folder, its own folder of the store, its inputs."""
    mounts = [Mount(str(task_folder(work)), WORK_INSIDE, read_only=False)]
    if not is_remote(url):
        inside = f"{_ROOT}/store/jobs/" + "/".join(url.split("/")[-2:])
        mounts.append(Mount(url, inside, read_only=False))
        url = inside
    inputs = {}
    for name, place in spec.inputs.items():
        inputs[name] = place
        if not is_remote(place):
            target = f"{_ROOT}/inputs/{name}"
            # A single file keeps its name: what reads it may go by the ending.
            inputs[name] = f"{target}/{Path(place).name}" if Path(place).is_file() else target
            mounts.append(Mount(place, inputs[name], read_only=True))
    outputs = dict(spec.outputs)
    if spec.output_url and not is_remote(spec.output_url):
        outputs[spec.output] = f"{_ROOT}/published"
        mounts.append(Mount(spec.output_url, f"{_ROOT}/published", read_only=False))
    ca_bundle = None
    if os.environ.get(CA_BUNDLE):
        ca_bundle = f"{_ROOT}/ca-bundle.pem"
        mounts.append(Mount(str(Path(os.environ[CA_BUNDLE]).resolve()), ca_bundle, read_only=True))
    return Mounts(mounts, spec.model_copy(update={"inputs": inputs, "outputs": outputs}), url, ca_bundle)
