"""The pods of a version as they change: a watch that is begun anew when it is lost or too old."""

import time
from collections.abc import Iterator

from facejobs.jobs.backends.kubernetes_cluster import Cluster
from facejobs.jobs.backends.kubernetes_errors import ClusterRefusedError, ClusterUnreachableError
from facejobs.jobs.backends.kubernetes_manifest import Manifest

_GONE = 410
_PATIENCE_SECONDS = 300.0
_LONGEST_PAUSE = 15.0


def watch_pods(cluster: Cluster, selector: str, every: int = 10) -> Iterator[list[Manifest]]:
    """The pods now, again after each change, and at least every so many seconds; it has no end.

    A lost connection and 410 Gone are answered by listing anew; ClusterUnreachableError after five minutes of them.
    """
    failing_since: float | None = None
    pause = 0.5
    while True:
        try:
            for pods in _watch_once(cluster, selector, every):
                failing_since, pause = None, 0.5
                yield pods
        except ClusterUnreachableError:
            now = time.monotonic()
            failing_since = failing_since or now
            if now - failing_since > _PATIENCE_SECONDS:
                raise
            time.sleep(pause)
            pause = min(_LONGEST_PAUSE, 2 * pause)
        except ClusterRefusedError as error:
            if error.code != _GONE:
                raise


def _watch_once(cluster: Cluster, selector: str, every: int) -> Iterator[list[Manifest]]:
    """From one listing on, until an error."""
    listed = cluster.pods(selector)
    pods = {pod["metadata"]["uid"]: pod for pod in listed.items}
    since = listed.resource_version
    yield list(pods.values())
    while True:
        for kind, pod in cluster.pod_changes(selector, since, every):
            since = pod["metadata"].get("resourceVersion", since)
            if kind == "DELETED":
                pods.pop(pod["metadata"]["uid"], None)
            elif kind in ("ADDED", "MODIFIED"):
                pods[pod["metadata"]["uid"]] = pod
            yield list(pods.values())
        yield list(pods.values())
