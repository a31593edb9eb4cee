"""Jobs on Huawei Cloud's ModelArts, by its V1 or its V2 API."""

import time
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from typing import Any

from facejobs.jobs.backends import modelarts_v1, modelarts_v2
from facejobs.jobs.backends.base import Plan, QueuedJob
from facejobs.jobs.backends.first_task_log import log_lines, stored_log
from facejobs.jobs.backends.modelarts_client import ModelArtsClient, Place, missing_access, place_of
from facejobs.jobs.backends.modelarts_errors import ModelArtsError
from facejobs.jobs.backends.modelarts_options import ModelArtsOptions
from facejobs.jobs.backends.modelarts_request import (
    UNKNOWN_STORE,
    command_words,
    judge,
    variables,
    version_of,
)
from facejobs.jobs.backends.modelarts_status import NativeStatus
from facejobs.jobs.backends.native import NativeJob, read_native, write_native
from facejobs.jobs.backends.resuming import require_resumable
from facejobs.jobs.errors import JobError
from facejobs.jobs.spec import JobSpec
from facejobs.jobs.status import State, read_status, record
from facejobs.jobs.version_record import version_name
from facejobs.jobs.versions import VersionFolder, VersionStore
from facejobs.storage.opening import open_store

__all__ = ["ModelArtsBackend", "ModelArtsOptions"]

_POLL_SECONDS = 5.0


class ModelArtsBackend:
    """The backend `modelarts`."""

    name = "modelarts"

    def __init__(self, options: ModelArtsOptions | None = None) -> None:
        self.options = options or ModelArtsOptions()

    def plan(self, spec: JobSpec, folder_url: str | None = None) -> Plan:
        """What `submit` would send; of V1 what makes the ModelArts job, since nothing is looked up for a plan."""
        url = folder_url or f"{UNKNOWN_STORE}/jobs/{spec.name}/{version_name(1)}"
        honoured, emulated, impossible = judge(spec, self.options, url)
        environment = variables(spec, self.options, url, attempt=1)
        if self.options.api == "v1":
            emulated.append(modelarts_v1.VERSIONS)
            impossible += modelarts_v1.judge_v1(spec, self.options)
        else:
            more_emulated, more_impossible = modelarts_v2.judge_v2(spec, environment)
            emulated, impossible = emulated + more_emulated, impossible + more_impossible
        request = None if impossible else self._request(spec, url, attempt=1)
        return Plan(
            backend=self.name,
            command=command_words(spec, self.options),
            environment=environment,
            folder=self.options.work_dir,
            request=request,
            honoured=honoured,
            emulated=emulated,
            impossible=[*impossible, *missing_access(self.options)],
        )

    def submit(self, version: VersionFolder) -> None:
        """Send a version that has not run yet."""
        if read_native(version.store) is not None:
            raise JobError(f"{version} was submitted already; it is {read_status(version.store).state}")
        self._start(version, attempt=1)

    def resume(self, version: VersionFolder) -> None:
        """Send again what FAILED, was STOPPED or LOST: it goes on from its newest checkpoint.

        V1 makes a new ModelArts version of the same job, V2 a new job.
        """
        native, status = read_native(version.store), read_status(version.store)
        state = self.state(version)
        require_resumable(version, state, submitted=native is not None)
        self._start(version, status.attempt + 1)

    def _start(self, version: VersionFolder, attempt: int) -> None:
        pinned = version.record.pinned_image
        spec = version.record.spec.changed(image=pinned) if pinned else version.record.spec
        impossible = self.plan(spec, version.url).impossible
        if impossible:
            raise JobError("ModelArts cannot run the job: " + "; ".join(impossible))
        place, before = place_of(self.options), read_status(version.store)
        jobs = self._jobs(ModelArtsClient(place))
        predecessor = self._predecessor(version, place) if self.options.api == "v1" else None
        id = jobs.start(self._request(spec, version.url, attempt, predecessor))
        try:
            write_native(version.store, NativeJob(backend=self.name, id=id, place=str(place), attempt=attempt))
        except BaseException:
            # Nobody would find it again.
            with suppress(JobError):
                jobs.stop(id)
            raise
        # Unless the task is faster, and has said itself that it runs.
        if attempt > 1 and read_status(version.store) == before:
            record(version.store, State.PENDING, f"sent to ModelArts as {id}", attempt=attempt)

    def _request(
        self, spec: JobSpec, url: str, attempt: int, predecessor: modelarts_v1.V1Id | None = None
    ) -> dict[str, Any]:
        if self.options.api == "v1":
            return modelarts_v1.make_request(spec, self.options, url, attempt, predecessor)
        return modelarts_v2.make_request(spec, self.options, url, attempt)

    def _predecessor(self, version: VersionFolder, place: Place) -> modelarts_v1.V1Id | None:
        """The V1 version that this one is made from: itself, its parent, else the newest of its job at this place."""
        store = VersionStore(open_store(version.url.rpartition("/jobs/")[0]))
        parent = version.record.parent
        numbers = sorted(store.versions(version.job), reverse=True)
        folders = [version, *(store.folder(version.job, number) for number in numbers if number != version.number)]
        folders.sort(key=lambda folder: (folder.name != version.name, folder.name != parent))
        for folder in folders:
            native = read_native(folder.store)
            if native is not None and native.backend == self.name and native.place in (str(place), ""):
                id = modelarts_v1.V1Id.parse(native.id)
                if id is not None:
                    return id
        return None

    def state(self, version: VersionFolder) -> State:
        """Its state: what the task wrote, else what ModelArts says; an end that only ModelArts knows is recorded."""
        status = read_status(version.store)
        native = read_native(version.store)
        if status.state.ended or native is None:
            return status.state
        told = self._told(native)
        # Read again: the task writes its end before its container ends.
        status = read_status(version.store)
        if status.state.ended:
            return status.state
        if told is None or told.state is State.LOST:
            return State.LOST
        if told.state is None or not told.state.ended:
            return _furthest(status.state, told.state)
        return self._record_end(version, told.state, str(told))

    def _told(self, native: NativeJob) -> NativeStatus | None:
        """What ModelArts says of a job; None if it has no such job any more."""
        try:
            return self._jobs(self._client_of(native)).status(native.id)
        except ModelArtsError as error:
            if error.gone:
                return None
            raise

    def _record_end(self, version: VersionFolder, state: State, told: str) -> State:
        """Record an end that the task itself did not."""
        if state is State.COMPLETED:
            state, told = State.FAILED, f"{told}, but the task recorded no result: `facejobs logs` shows its log"
        with suppress(JobError):
            record(version.store, state, told)
        return read_status(version.store).state

    def logs(self, version: VersionFolder, follow: bool = False) -> Iterator[str]:
        """Lines of the task's log, uploaded while it runs; ModelArts' own log where the task never began to log."""
        began, read = False, partial(stored_log, version.store)
        for line in log_lines(read, lambda: self.state(version).ended, follow, _POLL_SECONDS):
            began = True
            yield line
        native = read_native(version.store)
        if not began and native is not None:
            yield from self._jobs(self._client_of(native)).log(native.id)

    def stop(self, version: VersionFolder, kill: bool = False) -> None:  # noqa: ARG002
        """Have ModelArts end it, which has one way only, with or without `kill`; returns when it has ended."""
        native, state = read_native(version.store), self.state(version)
        if state.ended:
            raise JobError(f"{version} is {state}: there is nothing to stop")
        if native is None:
            raise JobError(f"{version} was never sent to ModelArts; facejobs resume {version} sends it")
        jobs = self._jobs(self._client_of(native))
        jobs.stop(native.id)
        while not self.state(version).ended:
            time.sleep(_POLL_SECONDS)

    def list(self) -> list[QueuedJob]:
        """The project's jobs that wait or run and are versions of facejobs, of any store."""
        found = []
        for id, text, status in self._jobs(ModelArtsClient(place_of(self.options))).list():
            ours = version_of(text)
            if ours is not None and status.state in (State.PENDING, State.RUNNING):
                job, version, url = ours
                found.append(QueuedJob(id, job, version, status.state, status.name, url))
        return found

    def _client_of(self, native: NativeJob) -> ModelArtsClient:
        """A client of the place where a job was sent to, whatever this machine's default is."""
        return ModelArtsClient(Place.parse(native.place) or place_of(self.options))

    def _jobs(self, client: ModelArtsClient) -> modelarts_v1.V1Jobs | modelarts_v2.V2Jobs:
        return modelarts_v1.V1Jobs(client) if self.options.api == "v1" else modelarts_v2.V2Jobs(client)


def _furthest(written: State, told: State | None) -> State:
    """Of what the task wrote and what ModelArts says the later one: either may lag behind the other."""
    return State.RUNNING if State.RUNNING in (written, told) else written
