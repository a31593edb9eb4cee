"""Training jobs of the ModelArts V1 API: a job with numbered versions, each made from the one before it."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from facejobs.jobs.backends.modelarts_client import ModelArtsClient, objects
from facejobs.jobs.backends.modelarts_errors import ModelArtsError
from facejobs.jobs.backends.modelarts_options import ModelArtsOptions
from facejobs.jobs.backends.modelarts_request import command_words, description, obs_path, shell_line, variables
from facejobs.jobs.backends.modelarts_status import NativeStatus, v1_status
from facejobs.jobs.spec import JobSpec
from facejobs.storage import environment as names
from facejobs.storage.url import is_remote, join_url

_JOBS = "/v1/{project_id}/training-jobs"
# Of every plan, which cannot know what was sent before.
VERSIONS = (
    "versions: the request makes the ModelArts job; if this store has sent a version of the job before, the same goes "
    "to training-jobs/JOB/versions, with the parent's number (else the newest's) as config.pre_version_id"
)
_PAGE = 1000
_LOG_LINES = 500
_MOST_LOG_REQUESTS = 200


class V1Id(NamedTuple):
    """ModelArts' numbers of one version, written `JOB/VERSION` in `backend.json`."""

    job: str
    version: str

    def __str__(self) -> str:
        return f"{self.job}/{self.version}"

    @classmethod
    def parse(cls, text: str) -> "V1Id | None":
        """What `str` wrote; None for anything else, such as the number of a V2 job."""
        job, _, version = text.partition("/")
        return cls(job, version) if job.isdigit() and version.isdigit() else None


def make_request(
    spec: JobSpec, options: ModelArtsOptions, url: str, attempt: int, before: V1Id | None
) -> dict[str, Any]:
    """The request that starts a version: a new ModelArts job, or a new version of one, made from `before`."""
    body: dict[str, Any] = {"job_desc": description(url), "config": _config(spec, options, url, attempt)}
    if before is not None:
        body["config"]["pre_version_id"] = int(before.version)
        return {"method": "POST", "path": f"{_JOBS}/{before.job}/versions", "body": body}
    body = {"job_name": spec.name, **body}
    if options.workspace_id is not None:
        body["workspace_id"] = options.workspace_id
    return {"method": "POST", "path": _JOBS, "body": body}


def _config(spec: JobSpec, options: ModelArtsOptions, url: str, attempt: int) -> dict[str, Any]:
    """`config` of the V1 reference. With an image of one's own, its parameters become the container's variables."""
    config: dict[str, Any] = {
        "worker_server_num": spec.resources.nodes,
        "user_image_url": options.image_url or spec.image,
        "user_command": shell_line(command_words(spec, options)),
        "parameter": [
            {"label": name, "value": value} for name, value in variables(spec, options, url, attempt).items()
        ],
        "train_url": obs_path(url),
        "log_url": obs_path(join_url(url, "logs")),
    }
    data = spec.inputs.get("data") or next(iter(spec.inputs.values()), None)
    if data and is_remote(data):
        config["data_url"] = obs_path(data)
    app = spec.environment.get(names.APP_URL)
    if app and is_remote(app):
        config["app_url"] = obs_path(app)
    if options.flavor is not None:
        config["spec_id"] = int(options.flavor)
    if options.pool_id is not None:
        config["pool_id"] = options.pool_id
    if options.nfs is not None:
        config["volumes"] = [
            {
                "nfs": {
                    "id": options.nfs.id,
                    "src_path": options.nfs.server_path,
                    "dest_path": options.nfs.local_path,
                    "read_only": options.nfs.read_only,
                }
            }
        ]
    return config


def judge_v1(spec: JobSpec, options: ModelArtsOptions) -> list[str]:
    """What this API cannot do."""
    impossible = []
    if options.flavor is not None and not (options.flavor.isascii() and options.flavor.isdigit()):
        impossible.append(f"option flavor: {options.flavor!r}: the v1 API numbers its flavors (spec_id)")
    if spec.retries:
        impossible.append(
            "retries: the v1 API starts nothing again; leave them out, and `facejobs resume` a version that failed"
        )
    if options.nfs is not None and options.nfs.id is None:
        impossible.append("option nfs: the v1 API needs the number (id) of the SFS Turbo file system")
    return impossible


class V1Jobs:
    """The calls of the V1 API."""

    def __init__(self, client: ModelArtsClient) -> None:
        self._client = client

    def start(self, request: dict[str, Any]) -> str:
        """Send what `make_request` made; returns `JOB/VERSION`."""
        answer = self._client.v1("start the job", request["method"], request["path"], request["body"])
        started = V1Id(str(answer.get("job_id")), str(answer.get("version_id")))
        if V1Id.parse(str(started)) is None:
            raise ModelArtsError(f"{self._client.place}: the job was accepted without a number: {answer!r:.300}")
        return str(started)

    def status(self, id: str) -> NativeStatus:
        """How a version stands."""
        return v1_status(self._client.v1("show the job", "GET", _path(id)).get("status"))

    def stop(self, id: str) -> None:
        """Ask for its end."""
        self._client.v1("stop the job", "POST", f"{_path(id)}/stop")

    def log(self, id: str) -> Iterator[str]:
        """What ModelArts itself logged of the version's tasks, page by page from the first line on."""
        named = self._client.v1("list the job's logs", "GET", f"{_path(id)}/log/file-names").get("log_file_list") or []
        for file in [named] if isinstance(named, str) else named:
            yield from self._lines_of(id, str(file))

    def _lines_of(self, id: str, file: str) -> Iterator[str]:
        """Pages backwards from the newest line, which is where the API begins, then in the order of the log."""
        pages: list[str] = []
        query: dict[str, Any] = {"log_file": file, "lines": _LOG_LINES, "order": "asc"}
        for _ in range(_MOST_LOG_REQUESTS):
            page = self._client.v1("show the job's log", "GET", f"{_path(id)}/aom-log", query=query)
            content, start = str(page.get("content") or ""), page.get("start_line")
            if not content or (pages and start == query.get("base_line")):
                break
            pages.append(content)
            if not start or int(page.get("lines") or 0) < _LOG_LINES:
                break
            query["base_line"] = start
        for content in reversed(pages):
            yield from content.splitlines()

    def list(self) -> list[tuple[str, str, NativeStatus]]:
        """Number, description and status of the newest version of every job of the project."""
        found: list[tuple[str, str, NativeStatus]] = []
        for page in range(1, 65536):
            answer = self._client.v1("list jobs", "GET", _JOBS, query={"per_page": _PAGE, "page": page})
            jobs = objects(answer, "jobs")
            for job in jobs:
                id = V1Id(str(job.get("job_id")), str(job.get("version_id")))
                found.append((str(id), str(job.get("job_desc") or ""), v1_status(job.get("status"))))
            if len(jobs) < _PAGE:
                break
        return found


def _path(id: str) -> str:
    job, _, version = id.partition("/")
    return f"{_JOBS}/{job}/versions/{version}"
