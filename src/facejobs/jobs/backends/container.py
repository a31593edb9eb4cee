"""Jobs in a container on this machine, by podman or docker."""

from pathlib import Path

from facejobs.jobs.backends.base import HIDDEN, Plan, QueuedJob
from facejobs.jobs.backends.container_judgement import Judgement
from facejobs.jobs.backends.container_mounts import WORK_INSIDE
from facejobs.jobs.backends.container_options import ContainerOptions
from facejobs.jobs.backends.container_order import ContainerOrder, task_folder
from facejobs.jobs.backends.container_run import (
    LABEL_JOB,
    LABEL_URL,
    LABEL_VERSION,
    ContainerRun,
    container_name,
    describe_run,
)
from facejobs.jobs.backends.container_tool import ContainerTool, find_tool, has_ended
from facejobs.jobs.backends.container_user import ContainerUser, choose_user
from facejobs.jobs.backends.local_plan import store_url, work_folder
from facejobs.jobs.backends.local_supervisor import Order
from facejobs.jobs.backends.processes import kill_processes_of
from facejobs.jobs.backends.slots import Ticket
from facejobs.jobs.backends.storage_credentials import storage_credentials
from facejobs.jobs.backends.supervised import ORDER, SupervisedBackend, not_here, work_of
from facejobs.jobs.errors import JobError
from facejobs.jobs.liveness import is_alive, on_this_machine
from facejobs.jobs.spec import JobSpec
from facejobs.jobs.status import State, Status, read_status
from facejobs.jobs.version_record import version_name
from facejobs.jobs.versions import VersionFolder

__all__ = ["ContainerBackend", "ContainerOptions"]


class ContainerBackend(SupervisedBackend):
    """The backend `container`."""

    name = "container"
    supervisor_module = "facejobs.jobs.backends.container_supervisor"
    order_type = ContainerOrder

    def __init__(self, options: ContainerOptions | None = None) -> None:
        self.options: ContainerOptions = options or ContainerOptions()

    def plan(self, spec: JobSpec, folder_url: str | None = None) -> Plan:
        """What `submit` would run; a tool that is missing or does not answer makes it impossible."""
        tool: ContainerTool | str
        try:
            tool = find_tool(self.options.tool)
        except JobError as error:
            tool = str(error)
        named_tool = self.options.tool or "podman"
        there = ContainerTool(named_tool, named_tool) if isinstance(tool, str) else tool
        run, user = self._run(spec, there, folder_url)
        judgement = Judgement(spec, self.options, run, user)
        judgement.judge(tool)
        return Plan(
            backend=self.name,
            command=["run_train.sh", *run.words],
            environment={**run.variables, **dict.fromkeys(run.secrets, HIDDEN)},
            folder=WORK_INSIDE,
            request=run.request(there.name),
            honoured=judgement.honoured,
            emulated=judgement.emulated,
            impossible=judgement.impossible,
        )

    def _run(self, spec: JobSpec, tool: ContainerTool, url: str | None) -> tuple[ContainerRun, ContainerUser]:
        known = store_url(url) if url else f"/STORE/jobs/{spec.name}/{version_name(1)}"
        user = choose_user(tool, self.options.user)
        return describe_run(spec, self.options, user, known), user

    def spec_of(self, version: VersionFolder) -> JobSpec:
        """The spec with the image by the digest that was found when it was submitted."""
        image = version.record.pinned_image
        if image is None:
            raise JobError(f"{version} does not say which image it runs in; submit it again")
        return version.record.spec.model_copy(update={"image": image})

    def make_order(self, version: VersionFolder, attempt: int, folder: str, ticket: Ticket) -> Order:
        """The whole command line, for the tool that answers now."""
        spec, work = self.spec_of(version), work_of(version)
        tool = find_tool(self.options.tool)
        run, user = self._run(spec, tool, version.url)
        for path in run.mounts.written:
            Path(path).mkdir(parents=True, exist_ok=True)
        return ContainerOrder(
            url=store_url(version.url),
            work=str(work),
            folder=folder,
            command=run.arguments(tool.path),
            environment={},
            gpus=spec.resources.gpus,
            attempt=attempt,
            attempts=attempt + spec.retries,
            ticket=str(ticket.path),
            ticket_file=ticket.file,
            tool=tool.name,
            container=run.name,
            image=run.image,
            shared=run.mounts.written,
            owner=user.owner,
        )

    def environment_of(self, spec: JobSpec) -> dict[str, str]:
        """With the keys of the object store, which the tool passes on by their names."""
        return {**super().environment_of(spec), **storage_credentials()}

    def task_folder(self, work: Path) -> Path:
        """The part of the work folder that the container sees."""
        return task_folder(work)

    def lives(self, work: Path) -> bool:
        """Whether its container is there and has not ended."""
        tool = self._tool_of(work)
        return tool is not None and tool.is_running(container_name(work))

    def kill(self, work: Path) -> None:
        """Remove its container, and end the tool that was watching it."""
        tool = self._tool_of(work)
        if tool is not None:
            tool.remove(container_name(work))
        kill_processes_of(work)

    def ask(self, version: VersionFolder, status: Status) -> None:
        """SIGTERM to the container, whose supervisor is no more."""
        work = work_of(version)
        tool = self._tool_of(work)
        if tool is None or not tool.is_running(container_name(work)):
            raise not_here(version, status)
        tool.signal(container_name(work), "TERM")

    def true_state(self, version: VersionFolder, status: Status) -> State:
        """As its supervisor or its container here tell; its heartbeat, where both are on another machine."""
        state = super().true_state(version, status)
        supervisor = status.supervisor
        if state.ended or supervisor is None or not on_this_machine(supervisor) or is_alive(supervisor):
            return state
        if self.lives(work_of(version)):
            return status.state
        # A container that has just ended said so before it did.
        now = read_status(version.store).state
        return now if now.ended else State.LOST

    def list(self) -> list[QueuedJob]:
        """Jobs whose supervisor is here, and containers of other state folders, which only their labels tell of."""
        there = {str(facts["Name"]).lstrip("/"): facts for facts in find_tool(self.options.tool).containers(LABEL_JOB)}
        found = []
        for item in super().list():
            name = container_name(work_folder(item.url))
            facts = there.pop(name, None)
            native = str(facts["State"]["Status"]) if facts else "waiting"
            found.append(QueuedJob(name, item.job, item.version, item.state, native, item.url))
        for name, facts in there.items():
            if has_ended(facts):
                continue
            labels = facts["Config"]["Labels"]
            job, version, url = (str(labels.get(label, "")) for label in (LABEL_JOB, LABEL_VERSION, LABEL_URL))
            found.append(QueuedJob(name, job, version, State.RUNNING, str(facts["State"]["Status"]), url))
        return found

    def _tool_of(self, work: Path) -> ContainerTool | None:
        """The tool that ran it last, which may be another than the one preferred now; None if it was never started."""
        try:
            order = ContainerOrder.from_json((work / ORDER).read_text(encoding="utf-8"))
        except (OSError, ValueError, TypeError):
            return None
        return find_tool(order.tool)
