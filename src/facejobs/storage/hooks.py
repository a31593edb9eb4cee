"""What `dls_get_app` and `dls_upload_model` do: fetch code, inputs and the last state; upload outputs, proven.

The steps and exit codes are those of docs/reference/boot-contract.md. Unlike the hooks they are named after, neither
ever succeeds without having done its work.
"""

import contextlib
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path

from facejobs.errors import ExitCode, FacejobsError
from facejobs.storage import environment as names
from facejobs.storage.checkpoint_sync import CHECKPOINTS, fetch_state, remove_checkpoints, steps_here
from facejobs.storage.environment import BootEnvironment
from facejobs.storage.errors import DownloadError, NotFoundError, StorageError, UploadError
from facejobs.storage.folder_sync import download_folder, upload_folder
from facejobs.storage.opening import open_store
from facejobs.storage.store import ObjectStore
from facejobs.storage.url import is_remote

log = logging.getLogger(__name__)

MODEL = "model"
# What a version folder keeps for itself; an output of the same name would destroy it.
RENDEZVOUS = "rendezvous.json"
RESERVED_FILES = frozenset(
    {"version.json", "code.diff", "status.json", "heartbeat.json", "outputs.json", "backend.json", RENDEZVOUS}
)
RESERVED_FOLDERS = frozenset({"logs"})


def get_app(environment: BootEnvironment) -> None:
    """Fetch the code, every remote input, and the newest uploaded state of a run that began elsewhere.

    Raises DownloadError naming what could not be fetched, and why.
    """
    environment.work.mkdir(mode=0o700, parents=True, exist_ok=True)
    _refuse_foreign(environment.work)
    environment.output.mkdir(exist_ok=True)
    if environment.app_url:
        _fetch("the code", environment.app_url, environment.app)
    for name, url in environment.inputs.items():
        if is_remote(url):
            _fetch(f"the input '{name}'", url, environment.input(name))
        elif not Path(url).exists():
            raise DownloadError(f"the input '{name}' is not there: {url}")
    if environment.train_url:
        _fetch_state(environment.train_url, environment.output)


def _refuse_foreign(folder: Path) -> None:
    """A folder of a known name in /tmp may have been made by somebody else, who could change what is trained on."""
    owner = folder.stat().st_uid
    if owner != os.getuid():
        raise DownloadError(f"the work folder {folder} belongs to user {owner}: name another one with {names.WORK}")


def _fetch(what: str, url: str, target: Path) -> None:
    """Fetch a folder, or a single object, as `target`; a path is fetched as well as a URL."""
    log.info("fetching %s from %s", what, url)
    try:
        with contextlib.suppress(NotFoundError):
            fetched = download_folder(open_store(url), target, progress=False)
            size = sum(entry.size for entry in fetched.files.values())
            log.info("%s is here: files %d, bytes %d", what, len(fetched.files), size)
            return
        # No folder: a single object, or nothing.
        folder, _, name = url.rstrip("/").rpartition("/")
        if not folder or folder.endswith("/"):
            raise NotFoundError(f"{url} is empty")
        digest = open_store(folder).download(name, target)
        log.info("%s is here: bytes %d", what, digest.size)
    except NotFoundError as error:
        raise DownloadError(f"{what} could not be fetched: there is nothing at {url} ({error})") from None
    except (StorageError, OSError) as error:
        raise DownloadError(f"{what} could not be fetched from {url}: {error}") from None


def _fetch_state(url: str, output: Path) -> None:
    try:
        step = fetch_state(open_store(url), output)
    except DownloadError:
        raise
    except (StorageError, OSError) as error:
        raise DownloadError(f"the state of the run could not be fetched from {url}: {error}") from None
    if step is not None:
        log.info("the newest checkpoint is of step %d", step)


def upload_model(
    environment: BootEnvironment,
    source: Path | None = None,
    url: str | None = None,
) -> None:
    """Upload the output of a command that succeeded, read all of it back, then write its manifest.

    `source` and `url` stand for the task's output folder and `DLS_TRAIN_URL`. With `FACEJOBS_OUTPUT_URL` the model
    goes there too. Raises UploadError unless every byte is proven to have arrived.
    """
    source = environment.output if source is None else source
    target = url or environment.train_url
    if not target:
        raise UploadError(f"there is nowhere to upload {source} to: set {names.TRAIN_URL}, or name a URL")
    if not source.is_dir():
        raise UploadError(f"there is no folder {source} to upload")
    own_version = environment.version_url is not None and url is None
    reserved = sorted(_reserved(source)) if own_version else []
    store = open_store(target)

    def include(name: str) -> bool:
        return is_output(name) and not (own_version and is_reserved(name))

    _upload(source, store, include)
    if steps_here(source):
        _try(target, lambda: remove_checkpoints(store, steps_here(source)))
    if environment.output_url and url is None:
        _upload_published(source, environment.output_url)
    if reserved:
        raise UploadError(
            f"the output holds {', '.join(reserved)}, which the version folder keeps for itself; all else was uploaded "
            f"to {target}. Let the command write that under another name"
        )


def _upload_published(source: Path, url: str) -> None:
    """Send `model/`, or all of the output but checkpoints where a job makes no `model/`."""
    prefix = f"{MODEL}/" if (source / MODEL).is_dir() else ""
    _upload(
        source,
        open_store(url),
        lambda name: is_output(name) and name.startswith(prefix) and not name.startswith(f"{CHECKPOINTS}/"),
    )


def _upload(source: Path, store: ObjectStore, include: Callable[[str], bool]) -> None:
    def upload() -> None:
        manifest = upload_folder(source, store, include=include, verify="read_back", progress=False)
        total = sum(entry.size for entry in manifest.files.values())
        log.info("arrived in %s and read back: files %d, bytes %d", store.url, len(manifest.files), total)

    _try(store.url, upload)


def _try(url: str, action: Callable[[], None]) -> None:
    try:
        action()
    except UploadError:
        raise
    except (StorageError, OSError) as error:
        raise UploadError(f"the output did not wholly arrive at {url}: {error}") from None


def is_output(name: str) -> bool:
    """Whether a file of the output folder is part of the output: what begins with a dot is unfinished or a lock."""
    return not any(part.startswith(".") for part in name.split("/"))


def is_reserved(name: str) -> bool:
    """Whether a file of the output folder would overwrite what the version folder keeps for itself."""
    return name in RESERVED_FILES or name.split("/")[0] in RESERVED_FOLDERS


def _reserved(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if is_reserved(path.name)}


def dls_get_app() -> None:
    """Console command: ends with 127 and the cause on standard error if anything could not be fetched."""
    _run("dls_get_app", 0, ExitCode.DOWNLOAD_FAILED, lambda _: get_app(BootEnvironment.read()))


def dls_upload_model() -> None:
    """Console command `dls_upload_model [SOURCE [URL]]`: ends with 9 unless everything is proven to have arrived."""

    def upload(arguments: list[str]) -> None:
        source = Path(arguments[0]) if arguments else None
        upload_model(BootEnvironment.read(), source, arguments[1] if len(arguments) > 1 else None)

    _run("dls_upload_model [SOURCE [URL]]", 2, ExitCode.UPLOAD_FAILED, upload)


def _run(usage: str, most: int, failure: ExitCode, action: Callable[[list[str]], None]) -> None:
    logging.basicConfig(format="%(message)s", stream=sys.stderr)
    logging.getLogger("facejobs").setLevel(logging.INFO)
    arguments = sys.argv[1:]
    if len(arguments) > most or any(argument.startswith("-") for argument in arguments):
        print(f"usage: {usage}\nThe environment says the rest: docs/reference/boot-contract.md", file=sys.stderr)
        sys.exit(ExitCode.OK if arguments in (["--help"], ["-h"]) else ExitCode.USAGE)
    try:
        action(arguments)
    except (FacejobsError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(failure)
