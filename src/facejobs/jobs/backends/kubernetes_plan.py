"""What the Kubernetes backend makes of each field of a job spec."""

from pathlib import PurePosixPath
from urllib.parse import urlsplit

from facejobs.jobs.backends.base import HIDDEN, Plan
from facejobs.jobs.backends.contract import STORAGE_SETTINGS
from facejobs.jobs.backends.gpu_types import unsupported_gpu
from facejobs.jobs.backends.kubernetes_job import ClusterJob, grace_seconds, shown
from facejobs.jobs.backends.kubernetes_manifest import manifests
from facejobs.jobs.backends.kubernetes_options import is_label_value
from facejobs.storage import environment as contract
from facejobs.storage.url import is_remote

# Linux takes no variable above 128 KiB.
_LONGEST_VARIABLE = 120_000
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def make_plan(job: ClusterJob, namespace: str, store_known: bool = True) -> Plan:
    """The plan of one attempt; a store that is not known yet is not judged."""
    honoured, emulated, impossible = _Judgement(job, store_known).lists()
    environment = {
        contract.TASK_INDEX: "0" if job.spec.resources.nodes == 1 else f"0 to {job.spec.resources.nodes - 1}",
        **{name: shown(value) for name, value in job.variables.items()},
        **dict.fromkeys(job.secrets, HIDDEN),
    }
    return Plan(
        backend="kubernetes",
        command=[shown(word) for word in job.command],
        environment=environment,
        folder=shown(job.work),
        request=manifests(job, namespace),
        honoured=honoured,
        emulated=emulated,
        impossible=impossible,
    )


class _Judgement:
    """Collects what is done as asked, in another way, and not at all."""

    def __init__(self, job: ClusterJob, store_known: bool) -> None:
        self._job, self._spec, self._options = job, job.spec, job.options
        self.honoured = ["command", "parameters", "environment"]
        self.emulated: list[str] = []
        self.impossible: list[str] = []
        if store_known:
            self._judge_store()
        self._judge_paths()
        self._judge_secrets()
        self._judge_image()
        self._judge_resources()
        self._judge_gpus()
        self._judge_nodes()
        self._judge_restarts()

    def lists(self) -> tuple[list[str], list[str], list[str]]:
        return self.honoured, self.emulated, self.impossible

    def _mounted(self, path: str) -> bool:
        return any(PurePosixPath(path).is_relative_to(mount) for mount in self._options.claims.values())

    def _judge_store(self) -> None:
        if is_remote(self._job.url):
            self._judge_endpoint()
        elif not self._mounted(self._job.url):
            self.impossible.append(
                f"the store: {self._job.url} is a directory of this machine; use a bucket "
                "(--store s3://BUCKET/FOLDER), or mount a claim that holds it at the same path (-o claims=NAME=/PATH)"
            )

    def _judge_endpoint(self) -> None:
        for name in STORAGE_SETTINGS:
            url = self._job.variables.get(name, "")
            if "://" in url and urlsplit(url).hostname in _LOOPBACK:
                self.emulated.append(
                    f"{name}: {url} is the pod itself there; if the store is elsewhere, "
                    f"give its address with -e {name}=URL"
                )

    def _judge_paths(self) -> None:
        self.honoured.append("outputs: uploaded to the version's folder")
        places = [(f"inputs.{name}", place) for name, place in self._spec.inputs.items()]
        if self._spec.output_url:
            places.append((f"outputs.{self._spec.output}", self._spec.output_url))
        for name, place in places:
            if is_remote(place):
                self.honoured.append(f"{name}: by way of {place}")
            elif self._mounted(place):
                self.honoured.append(f"{name}: {place}, on a claim")
            else:
                self.impossible.append(
                    f"{name}: {place} is a path of this machine; put it into a bucket (facejobs storage put), "
                    "or mount a claim that holds it at the same path (-o claims=NAME=/PATH)"
                )

    def _judge_secrets(self) -> None:
        job = self._job
        if job.options.secret is not None:
            self.honoured.append(f"secrets: {', '.join(job.secrets)}, from the Secret {job.options.secret}")
        elif job.secrets:
            self.honoured.append(f"secrets: {', '.join(job.secrets)}, in a Secret that goes when the job goes")
        if job.options.secret is None and not job.credentials and is_remote(job.url):
            self.emulated.append(
                "credentials of the store: none are set here, so the pods must have their own; else set "
                "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a Secret that holds them (-o secret=NAME)"
            )

    def _judge_image(self) -> None:
        if not self._spec.image:
            self.impossible.append("image: none; pods need one: facejobs image build and push make it")
        else:
            self.honoured.append(f"image: {self._spec.image}")

    def _judge_resources(self) -> None:
        resources = self._spec.resources
        for name, value in (("cpus", resources.cpus), ("memory", resources.memory)):
            if value is not None:
                self.honoured.append(f"resources.{name}: {value}, requested and the limit")
        if resources.memory is not None and resources.memory <= self._options.shared_memory:
            self.emulated.append(
                f"resources.memory: /dev/shm may fill all of it with {self._options.shared_memory} bytes; "
                "give more memory or less shared_memory"
            )

    def _judge_gpus(self) -> None:
        resources, label = self._spec.resources, self._options.gpu_label
        if resources.gpus:
            self.honoured.append(f"resources.gpus: {resources.gpus} of {self._options.gpu_resource}")
        if resources.gpu_type is None:
            return
        unsupported = unsupported_gpu(resources.gpu_type)
        if unsupported:
            self.impossible.append(f"resources.gpu_type: {unsupported}")
        elif not resources.gpus:
            self.emulated.append(f"resources.gpu_type: {resources.gpu_type} is recorded; no GPU is asked for")
        elif label is None:
            self.impossible.append(
                f"resources.gpu_type: {resources.gpu_type}; say which label of the nodes tells it "
                "(-o gpu_label=nvidia.com/gpu.product), and write the type as `kubectl get nodes -L LABEL` shows it"
            )
        elif not is_label_value(resources.gpu_type):
            self.impossible.append(f"resources.gpu_type: {resources.gpu_type!r} cannot be the value of a label")
        else:
            self.honoured.append(f"resources.gpu_type: nodes with {label}={resources.gpu_type}")

    def _judge_nodes(self) -> None:
        nodes = self._spec.resources.nodes
        how = "a JobSet" if self._job.jobset else "an Indexed Job"
        if len(",".join(self._job.hosts)) > _LONGEST_VARIABLE:
            self.impossible.append(f"resources.nodes: {nodes}; their addresses do not fit into {contract.TASK_HOSTS}")
        elif nodes > 1:
            self.honoured.append(
                f"resources.nodes: {nodes} pods of {how}; the scheduler may put several on one machine"
            )
        else:
            self.honoured.append("resources.nodes: 1")

    def _judge_restarts(self) -> None:
        spec = self._spec
        taken = "a pod that is taken away, or ends with 75, starts again from the last checkpoint without being counted"
        self.honoured.append(f"retries: {spec.retries}; {taken}")
        if spec.time_limit is not None:
            grace = f"then SIGTERM and {grace_seconds(spec):g} s to save"
            self.honoured.append(f"time_limit: {spec.time_limit} s an attempt, kept by run_train.sh, {grace}")
            if self._job.jobset and spec.retries:
                self.emulated.append("time_limit: a JobSet counts it as a failure, and uses up its retries")
