"""One namespace of one cluster, asked through the official client; its errors come out in words."""

import contextlib
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import yaml
from kubernetes import client, config, watch
from kubernetes.client.exceptions import ApiException
from kubernetes.config.config_exception import ConfigException
from kubernetes.config.kube_config import KubeConfigMerger
from urllib3.exceptions import HTTPError

from facejobs.jobs.backends import kubernetes_names as names
from facejobs.jobs.backends.kubernetes_errors import ClusterRefusedError, ClusterUnreachableError, refused, unreachable
from facejobs.jobs.backends.kubernetes_manifest import JOB, JOBSET, Kind, Manifest
from facejobs.jobs.backends.kubernetes_options import KubernetesOptions
from facejobs.jobs.backends.kubernetes_pod import CONTAINER
from facejobs.jobs.errors import JobError

_TIMEOUT = (10.0, 60.0)
_FOLLOW_TIMEOUT = (10.0, 300.0)
_TRIES = 3
_ACCOUNT_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")

_Answer = TypeVar("_Answer")


class Pods(NamedTuple):
    """The pods of a moment, and the version of the cluster's data from which a watch goes on."""

    items: list[Manifest]
    resource_version: str


class Cluster:
    """What the backend asks of an API server. JobError in words; ClusterUnreachableError where it may pass."""

    def __init__(self, options: KubernetesOptions, namespace: str | None = None) -> None:
        """Raises JobError where the kubeconfig cannot be used; asks nothing yet. `namespace` overrules the options."""
        settings, of_context = _load(options)
        settings.retries = 1
        self.host: str = settings.host
        self.namespace = namespace or options.namespace or of_context or "default"
        api = client.ApiClient(settings)
        self._api = api
        self._objects, self._core = client.CustomObjectsApi(api), client.CoreV1Api(api)

    @property
    def place(self) -> str:
        """The cluster and the namespace, as they are kept with the version."""
        return f"{self.host}/namespaces/{self.namespace}"

    def has_jobset(self) -> bool:
        """Whether JobSet is installed."""
        found = self._read("ask for JobSet", self._api.call_api, f"/apis/{JOBSET.api_version}", "GET", **_DISCOVERY)
        return found is not None

    def create(self, kind: Kind, body: Manifest) -> Manifest:
        """Make a Job or a JobSet; a field that the cluster does not know is refused, not dropped."""
        create = self._objects.create_namespaced_custom_object
        place = (kind.group, kind.version, self.namespace, kind.plural)
        doing = f"create the {kind.name} {body['metadata']['name']}"
        return self._dict(self._ask(doing, create, *place, body, field_validation="Strict"))

    def create_secret(self, body: Manifest) -> None:
        """Make a Secret."""
        doing = f"create the Secret {body['metadata']['name']}"
        self._send(doing, self._core.create_namespaced_secret, self.namespace, body)

    def create_service(self, body: Manifest) -> None:
        """Make a Service."""
        doing = f"create the Service {body['metadata']['name']}"
        self._send(doing, self._core.create_namespaced_service, self.namespace, body)

    def start(self, kind: Kind, name: str) -> None:
        """Let the pods of a suspended Job or JobSet begin."""
        body = {"metadata": {"annotations": {names.STARTED: "true"}}, "spec": {"suspend": False}}
        patch = self._objects.patch_namespaced_custom_object
        self._ask(f"start the {kind.name} {name}", patch, *self._path(kind, name), body)

    def get(self, kind: Kind, name: str) -> Manifest | None:
        """A Job or a JobSet; None if it is not there."""
        found = self._read(
            f"get the {kind.name} {name}", self._objects.get_namespaced_custom_object, *self._path(kind, name)
        )
        return None if found is None else self._dict(found)

    def delete(self, kind: Kind, name: str, wait_for_pods: bool) -> None:
        """Remove a Job or a JobSet with all it owns; with `wait_for_pods` it stays until they have ended."""
        policy = "Foreground" if wait_for_pods else "Background"
        delete = self._objects.delete_namespaced_custom_object
        with _absent_is_fine():
            self._ask(f"delete the {kind.name} {name}", delete, *self._path(kind, name), propagation_policy=policy)

    def kill_pod(self, name: str) -> None:
        """Remove a pod without letting it end by itself."""
        with _absent_is_fine():
            delete = self._core.delete_namespaced_pod
            self._send(f"delete the pod {name}", delete, name, self.namespace, grace_period_seconds=0)

    def workloads(self) -> list[tuple[Kind, Manifest]]:
        """All Jobs and JobSets of facejobs in the namespace."""
        found = []
        listing = self._objects.list_namespaced_custom_object
        for kind in (JOB, JOBSET):
            place = (kind.group, kind.version, self.namespace, kind.plural)
            # 404 where JobSet is not installed.
            answer = self._read(f"list {kind.plural}", listing, *place, label_selector=f"{names.MANAGED_BY}=facejobs")
            found += [(kind, item) for item in (answer or {}).get("items", [])]
        return found

    def pods(self, selector: str) -> Pods:
        """The pods with these labels."""
        found = self._list("list pods", self._core.list_namespaced_pod, label_selector=selector)
        return Pods(found.get("items") or [], str(found.get("metadata", {}).get("resourceVersion", "")))

    def pod_changes(self, selector: str, since: str, seconds: int) -> Iterator[tuple[str, Manifest]]:
        """What happens to the pods, for so many seconds: ADDED, MODIFIED or DELETED, and the pod.

        ClusterRefusedError with code 410 where `since` is too long ago: list them anew.
        """
        lines = self._stream(
            "watch pods",
            self._core.list_namespaced_pod,
            self.namespace,
            label_selector=selector,
            resource_version=since,
            timeout_seconds=seconds,
            watch=True,
            _request_timeout=(_TIMEOUT[0], seconds + _TIMEOUT[1]),
        )
        for line in lines:
            event = self._json(line)
            if event.get("type") == "ERROR":
                told = event["object"]
                error = ApiException(status=told.get("code"), reason=told.get("message"))
                raise refused(error, self.host, "watch pods")
            yield event["type"], event["object"]

    def pod_log(self, name: str, follow: bool) -> Iterator[str]:
        """Lines of a pod's log, each with the time it was written; with `follow` until the pod ends."""
        yield from self._stream(
            f"read the log of the pod {name}",
            self._core.read_namespaced_pod_log,
            name,
            self.namespace,
            container=CONTAINER,
            follow=follow,
            timestamps=True,
            _request_timeout=_FOLLOW_TIMEOUT if follow else _TIMEOUT,
        )

    def warnings_of(self, name: str) -> list[str]:
        """What the cluster says went wrong with an object, newest last; nothing where one may not ask."""
        selector = f"involvedObject.name={name},type=Warning"
        try:
            found = self._list("list events", self._core.list_namespaced_event, field_selector=selector)
        except ClusterRefusedError:
            return []
        events = found.get("items") or []
        events.sort(key=lambda event: event.get("lastTimestamp") or event.get("eventTime") or "")
        return [f"{event.get('reason', '')}: {event.get('message', '')}" for event in events]

    def _path(self, kind: Kind, name: str) -> tuple[str, str, str, str, str]:
        return kind.group, kind.version, self.namespace, kind.plural, name

    def _send(self, doing: str, ask: Callable[..., Any], *arguments: Any, **options: Any) -> None:
        """Ask without reading what is answered, which may be a Secret, and which the client would log."""
        self._ask(doing, ask, *arguments, _preload_content=False, **options).close()

    def _list(self, doing: str, ask: Callable[..., Any], **options: Any) -> Manifest:
        """A collection as the server sends it: the client's own classes refuse what a newer server may say."""
        response = self._read(doing, ask, self.namespace, _preload_content=False, **options)
        return {} if response is None else self._json(response.data)

    def _stream(self, doing: str, ask: Callable[..., Any], *arguments: Any, **options: Any) -> Iterator[str]:
        """Lines as they come."""
        response = self._ask(doing, ask, *arguments, _preload_content=False, timeout=False, **options)
        with contextlib.closing(response):
            lines = watch.watch.iter_resp_lines(response)
            while (line := self._ask(doing, lambda: next(lines, None), timeout=False)) is not None:
                yield line

    def _json(self, text: str | bytes) -> Manifest:
        try:
            return self._dict(json.loads(text))
        except ValueError:
            return self._dict(text)

    def _read(self, doing: str, ask: Callable[..., _Answer], *arguments: Any, **options: Any) -> _Answer | None:
        """Ask what changes nothing, again if the connection fails; None for 404."""
        for attempt in range(_TRIES):
            try:
                return self._ask(doing, ask, *arguments, **options)
            except ClusterRefusedError as error:
                if error.code == 404:
                    return None
                raise
            except ClusterUnreachableError:
                if attempt == _TRIES - 1:
                    raise
            time.sleep(0.5 * 2**attempt)
        raise AssertionError("unreachable")

    def _ask(
        self, doing: str, ask: Callable[..., _Answer], *arguments: Any, timeout: bool = True, **options: Any
    ) -> _Answer:
        limits = {"_request_timeout": _TIMEOUT} if timeout else {}
        try:
            return ask(*arguments, **limits, **options)
        except ApiException as error:
            raise refused(error, self.host, doing) from None
        except (HTTPError, OSError) as error:
            raise unreachable(error, self.host) from None

    def _dict(self, answer: Any) -> Manifest:
        if not isinstance(answer, dict):
            raise ClusterUnreachableError(f"{self.host} does not answer as a Kubernetes API server does")
        return answer


_DISCOVERY: dict[str, Any] = {
    "response_type": "object",
    "auth_settings": ["BearerToken"],
    "_return_http_data_only": True,
}


@contextlib.contextmanager
def _absent_is_fine() -> Iterator[None]:
    try:
        yield
    except ClusterRefusedError as error:
        if error.code != 404:
            raise


def _load(options: KubernetesOptions) -> tuple[Any, str | None]:
    """The client's settings from the kubeconfig, or from the pod this runs in; and the namespace of the context."""
    settings = client.Configuration()
    path = options.kubeconfig or os.environ.get("KUBECONFIG")
    default = Path("~/.kube/config").expanduser()
    if not path and not default.exists() and os.environ.get("KUBERNETES_SERVICE_HOST"):
        return _load_from_pod(settings)
    file = os.pathsep.join(str(Path(part).expanduser()) for part in (path or str(default)).split(os.pathsep))
    try:
        merged = KubeConfigMerger(file).config
        content = merged.value if merged is not None else {}
        contexts = {item.value["name"]: item.value["context"] for item in content.get("contexts") or []}
        wanted = options.context or content.get("current-context")
        if not contexts:
            raise ConfigException("no such file, or no context in it")
        if wanted not in contexts:
            said = f"has no context {wanted}" if wanted else "names no current context"
            raise JobError(f"the kubeconfig {file} {said}; there is {', '.join(contexts)}")
        config.load_kube_config(file, wanted, settings, persist_config=False)
        return settings, contexts[wanted].get("namespace")
    except (ConfigException, yaml.YAMLError, OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        why = " ".join(str(error).split()) or type(error).__name__
        raise JobError(
            f"the kubeconfig {file} cannot be used: {why}; name another with KUBECONFIG, or -o kubeconfig=FILE"
        ) from None


def _load_from_pod(settings: Any) -> tuple[Any, str | None]:
    try:
        config.load_incluster_config(client_configuration=settings)
        return settings, _ACCOUNT_NAMESPACE.read_text().strip()
    except (ConfigException, OSError) as error:
        raise JobError(f"there is no kubeconfig here, and this pod may not ask its cluster: {error}") from None
