"""The log of a version: what the store has of it, then what its first task prints, through every restart of its pod."""

import contextlib
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence

from facejobs.jobs.backends.first_task_log import stored_log
from facejobs.jobs.backends.kubernetes_cluster import Cluster
from facejobs.jobs.backends.kubernetes_diagnosis import has_log, is_over, newest
from facejobs.jobs.backends.kubernetes_errors import ClusterRefusedError, ClusterUnreachableError
from facejobs.jobs.backends.kubernetes_manifest import Manifest
from facejobs.jobs.backends.kubernetes_watch import watch_pods
from facejobs.storage.store import ObjectStore

_POLL_SECONDS = 1.0
# As many lines in a row tell where one copy of a log goes on in the other.
_SEAM = 20


def stored_lines(store: ObjectStore) -> list[str]:
    """The log as it was last uploaded to the version folder."""
    return stored_log(store).decode(errors="replace").splitlines()


def beyond(lines: Sequence[str], before: Sequence[str]) -> int | None:
    """From where on `lines` go on after `before`, which ends with some of them; None if they have nothing in common."""
    for end in range(len(lines), 0, -1):
        size = min(end, len(before), _SEAM)
        if size and list(lines[end - size : end]) == list(before[-size:]):
            return end
    return None


class LogFollower:
    """Yields each line once, although it is in the store, and in the log of a pod that may be read several times."""

    def __init__(self, store: ObjectStore, cluster: Cluster, selector: str, ended: Callable[[], bool]) -> None:
        """`selector` chooses the pods, `ended` says whether the version has."""
        self._store, self._cluster, self._selector, self._ended = store, cluster, selector, ended
        self._last: deque[str] = deque(maxlen=_SEAM)
        self._seen: dict[str, str] = {}
        self._done: set[str] = set()

    def lines(self, follow: bool) -> Iterator[str]:
        """What is there now; with `follow`, until the version has ended. JobError where the cluster cannot be asked."""
        yield from self._tell(stored_lines(self._store))
        if not follow:
            with contextlib.suppress(ClusterRefusedError, ClusterUnreachableError):
                yield from self._of_now()
            return
        try:
            yield from self._follow_pods()
        except ClusterRefusedError:
            # Who may not read logs of pods gets what is uploaded every few seconds.
            yield from self._follow_store()
        yield from self._rest_of_store()

    def _of_now(self) -> Iterator[str]:
        pod = newest(self._cluster.pods(self._selector).items)
        if pod is not None and has_log(pod):
            yield from self._of_pod(pod, follow=False)

    def _follow_pods(self) -> Iterator[str]:
        for pods in watch_pods(self._cluster, self._selector):
            pod = newest(pods)
            if pod is not None and has_log(pod):
                yield from self._of_pod(pod, follow=not is_over(pod))
            if self._ended():
                return

    def _follow_store(self) -> Iterator[str]:
        while not self._ended():
            yield from self._rest_of_store()
            time.sleep(_POLL_SECONDS)

    def _rest_of_store(self) -> Iterator[str]:
        """What was uploaded and has not been told: all of it, if nothing has."""
        stored = stored_lines(self._store)
        position = beyond(stored, list(self._last)) if self._last else 0
        yield from self._tell(stored[position:] if position is not None else [])

    def _of_pod(self, pod: Manifest, follow: bool) -> Iterator[str]:
        """The pod's lines that are new; returns when its log ends, or is lost."""
        uid, name = pod["metadata"]["uid"], pod["metadata"]["name"]
        if uid in self._done:
            return
        try:
            if uid not in self._seen:
                yield from self._first_look(uid, name)
            for line in self._cluster.pod_log(name, follow):
                yield from self._tell(self._new(uid, line))
            if is_over(pod):
                self._done.add(uid)
        except ClusterUnreachableError:
            # The caller watches the pods, which tells whether to come back.
            time.sleep(_POLL_SECONDS)
        except ClusterRefusedError as error:
            # 404 is a pod that has gone meanwhile, 400 a container that is not ready to be read.
            if error.code not in (400, 404):
                raise

    def _first_look(self, uid: str, name: str) -> Iterator[str]:
        """What the pod has logged so far, without what the store had of it."""
        dated = [_split(line) for line in self._cluster.pod_log(name, follow=False)]
        lines = [text for _, text in dated]
        yield from self._tell(lines[beyond(lines, list(self._last)) or 0 :])
        self._seen[uid] = dated[-1][0] if dated else ""

    def _new(self, uid: str, line: str) -> list[str]:
        stamp, text = _split(line)
        if stamp <= self._seen.get(uid, ""):
            return []
        self._seen[uid] = stamp
        return [text]

    def _tell(self, lines: Sequence[str]) -> Iterator[str]:
        for line in lines:
            self._last.append(line)
            yield line


def _split(line: str) -> tuple[str, str]:
    """The time that the cluster puts before a line, which sorts as text, and the line."""
    stamp, _, text = line.partition(" ")
    return stamp, text
