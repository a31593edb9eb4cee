"""What a spec may say under `backends.kubernetes`: the cluster, the namespace, and what its pods are given."""

import re
from pathlib import PurePosixPath
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictInt, StrictStr, field_validator

from facejobs.jobs.backends.base import BackendOptions
from facejobs.jobs.quantities import parse_duration, parse_memory

# RFC 1123, as Kubernetes checks names of objects and of namespaces.
_LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_NAME = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(\.{_LABEL})*")
_KEY = re.compile(rf"({_LABEL}(\.{_LABEL})*/)?[A-Za-z0-9]([-._A-Za-z0-9]{{0,61}}[A-Za-z0-9])?")
_VALUE = re.compile(r"([A-Za-z0-9]([-._A-Za-z0-9]{0,61}[A-Za-z0-9])?)?")
_TAINT = re.compile(r"(?P<key>[^=:]*)(=(?P<value>[^=:]*))?(:(?P<effect>[A-Za-z]*))?")

# Kubernetes keeps user ids and times in 32 bits.
_LARGEST = (1 << 31) - 1


def _check_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError("expected a name as Kubernetes has them: lower-case letters, digits, '-' and '.'")
    return name


def _pairs(value: object) -> object:
    """`a=b,c=d` as `-o` gives it; a mapping stays one."""
    if not isinstance(value, str):
        return value
    pairs = {}
    for item in value.split(","):
        key, equals, text = item.partition("=")
        if not equals or not key.strip():
            raise ValueError("expected name=value,name=value")
        pairs[key.strip()] = text.strip()
    return pairs


def _amount(value: object) -> object:
    return parse_memory(value) if isinstance(value, str) else value


def _seconds(value: object) -> object:
    return parse_duration(value) if isinstance(value, str) else value


Name = Annotated[StrictStr, Field(max_length=253)]
Pairs = Annotated[dict[StrictStr, StrictStr], BeforeValidator(_pairs)]
Amount = Annotated[StrictInt, Field(gt=0, lt=1 << 60), BeforeValidator(_amount)]


class Toleration(BaseModel):
    """One toleration, with the field names of Kubernetes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: StrictStr | None = None
    operator: Literal["Exists", "Equal"] = "Exists"
    value: StrictStr | None = None
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    tolerationSeconds: StrictInt | None = None  # noqa: N815


def _tolerations(value: object) -> object:
    """`key:Effect,key=value:Effect` as `-o` gives it; a list stays one."""
    if not isinstance(value, str):
        return value
    found = []
    for text in value.split(","):
        match = _TAINT.fullmatch(text.strip())
        if match is None or not match["key"]:
            raise ValueError("expected taints such as nvidia.com/gpu:NoSchedule or team=faces:NoSchedule")
        equal = match["value"] is not None
        parts = {"key": match["key"], "operator": "Equal" if equal else "Exists", "value": match["value"]}
        found.append({**parts, "effect": match["effect"] or None})
    return found


class KubernetesOptions(BackendOptions):
    """Options of the backend `kubernetes`."""

    kubeconfig: StrictStr | None = Field(None, description="kubeconfig file; default: KUBECONFIG, else ~/.kube/config")
    context: StrictStr | None = Field(None, description="context of the kubeconfig; default: its current one")
    namespace: Name | None = Field(None, description="namespace; default: that of the context, else default")
    gpu_resource: StrictStr = Field("nvidia.com/gpu", description="the name under which nodes offer GPUs")
    gpu_label: StrictStr | None = Field(
        None,
        description="node label that holds the kind of GPU, such as nvidia.com/gpu.product, for resources.gpu_type",
    )
    node_selector: Pairs = Field(default_factory=dict, description="labels a node must have: pool=gpu,zone=a")
    tolerations: Annotated[tuple[Toleration, ...], BeforeValidator(_tolerations)] = Field(
        (), description="taints of nodes that do not matter: nvidia.com/gpu:NoSchedule"
    )
    secret: Name | None = Field(
        None, description="a Secret of the namespace that holds the secrets; default: one is made for each job"
    )
    image_pull_secrets: tuple[Name, ...] = Field(
        (), description="Secrets of the namespace with the login of the registry: [regcred]"
    )
    service_account: Name | None = Field(None, description="service account of the pods; none is given its token")
    run_as_user: Annotated[StrictInt, Field(ge=1, le=_LARGEST)] | None = Field(
        1000, description="user id in the pods, never root; null: what the image says"
    )
    shared_memory: Amount = Field(2 * 1024**3, description="size of /dev/shm, part of resources.memory: 2GiB")
    work_size: Amount | None = Field(None, description="most that the work folder may hold on the node's disk: 200GiB")
    work_claim: Name | None = Field(
        None, description="PersistentVolumeClaim for the work folders; default: a disk of the node"
    )
    claims: Pairs = Field(
        default_factory=dict,
        description="PersistentVolumeClaims and where to mount them: faces=/mnt/faces; "
        "paths below, which must be the same on this machine, may be inputs, output or store",
    )
    jobset: bool | None = Field(
        None, description="whether several nodes are a JobSet; default: where the cluster has it"
    )
    ttl: Annotated[StrictInt, Field(ge=0, le=_LARGEST), BeforeValidator(_seconds)] = Field(
        86400, description="how long the cluster keeps a job that has ended, with its Secret: 1d"
    )

    @field_validator("namespace", "secret", "service_account", "work_claim")
    @classmethod
    def _check_one(cls, name: str | None) -> str | None:
        return None if name is None else _check_name(name)

    @field_validator("image_pull_secrets", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(item.strip() for item in value.split(",")) if isinstance(value, str) else value

    @field_validator("image_pull_secrets")
    @classmethod
    def _check_names(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(_check_name(name) for name in names)

    @field_validator("gpu_resource", "gpu_label")
    @classmethod
    def _check_key(cls, key: str | None) -> str | None:
        if key is not None and not _KEY.fullmatch(key):
            raise ValueError("expected a name such as nvidia.com/gpu")
        return key

    @field_validator("node_selector")
    @classmethod
    def _check_selector(cls, selector: dict[str, str]) -> dict[str, str]:
        for key, value in selector.items():
            if not _KEY.fullmatch(key) or not _VALUE.fullmatch(value):
                raise ValueError(f"{key}={value} is no label of a node: write pool=gpu, or example.com/pool=gpu")
        return selector

    @field_validator("claims")
    @classmethod
    def _check_claims(cls, claims: dict[str, str]) -> dict[str, str]:
        for name, path in claims.items():
            _check_name(name)
            if path == "/" or str(PurePosixPath(path)) != path or not path.startswith("/") or ".." in path.split("/"):
                raise ValueError(f"{name}={path}: expected an absolute path to mount it at, such as {name}=/mnt/{name}")
            if path == "/dev/shm" or path == "/work" or path.startswith("/work/"):
                raise ValueError(f"{name}={path}: that path belongs to facejobs; mount it elsewhere")
        if len(set(claims.values())) != len(claims):
            raise ValueError("two claims cannot be mounted at one path")
        return claims


def is_label_value(text: str) -> bool:
    """Whether Kubernetes accepts the text as the value of a label."""
    return _VALUE.fullmatch(text) is not None
