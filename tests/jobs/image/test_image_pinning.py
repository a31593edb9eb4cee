"""A version is pinned to one image when it is submitted, whatever backend runs it."""

from pathlib import Path
from typing import Any

import pytest
from job_records import a_record, a_spec

from facejobs.jobs import submission
from facejobs.jobs.backends.base import BackendOptions, Plan
from facejobs.jobs.errors import SpecError
from facejobs.jobs.image.errors import ImageError, ImageRefusedError
from facejobs.jobs.status import read_status
from facejobs.jobs.submission import submit
from facejobs.jobs.versions import open_version_store

TAG = "registry.example.com/team/faces:1"
DIGEST = "sha256:" + "5" * 64


class Recorder:
    """A backend that starts nothing."""

    options = BackendOptions()

    def __init__(self, name: str) -> None:
        self.name, self.started = name, []

    def plan(self, spec: Any, folder_url: str | None = None) -> Plan:
        return Plan(self.name, [], {}, "", emulated=["image: is not run"] if self.name == "local" else [])

    def submit(self, version: Any) -> None:
        self.started.append(version.record.pinned_image)


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> dict[str, str | Exception]:
    """What the registry has: a pinned name for each tag, or what it says instead."""
    there: dict[str, str | Exception] = {TAG: f"registry.example.com/team/faces@{DIGEST}"}

    def resolve(image: str) -> str:
        found = there[image]
        if isinstance(found, Exception):
            raise found
        return found

    monkeypatch.setattr(submission, "resolve_image", resolve)
    return there


@pytest.mark.parametrize("name", ["local", "container"])
def test_tag_is_pinned_and_the_spec_keeps_it(registry, tmp_path: Path, name: str) -> None:
    backend = Recorder(name)
    version = submit(a_spec(image=TAG), open_version_store(str(tmp_path)), backend)
    assert version.record.image_digest == DIGEST and version.record.spec.image == TAG
    assert backend.started == [f"registry.example.com/team/faces@{DIGEST}"]


def test_pinned_image_is_unknown_without_an_image_or_a_digest() -> None:
    assert a_record(1).pinned_image is None
    record = a_record(1, a_spec(image=TAG))
    assert record.pinned_image is None
    both = f"{TAG}@{DIGEST}"
    pinned = record.model_copy(update={"spec": a_spec(image=both), "image_digest": DIGEST})
    assert pinned.pinned_image == f"registry.example.com/team/faces@{DIGEST}"


@pytest.mark.parametrize("error", [ImageError("no answer"), SpecError("names no registry")])
def test_registry_that_cannot_be_asked_stops_jobs_that_run_images(registry, tmp_path: Path, error) -> None:
    registry[TAG] = error
    store = open_version_store(str(tmp_path))
    with pytest.raises(type(error)):
        submit(a_spec(image=TAG), store, Recorder("container"))
    assert not store.jobs(), "no number was claimed"

    local = Recorder("local")
    version = submit(a_spec(image=TAG), store, local)
    assert version.record.image_digest is None and local.started == [None]
    (first,) = read_status(version.store).transitions
    assert first.reason == f"the image was not looked up: {error}"

    registry[f"{TAG}@{DIGEST}"] = error
    version = submit(a_spec(image=f"{TAG}@{DIGEST}"), store, local)
    assert version.record.image_digest == DIGEST, "it stands in the spec"


@pytest.mark.parametrize("name", ["local", "slurm"])
def test_image_that_will_not_do_is_refused_everywhere(registry, tmp_path: Path, name: str) -> None:
    registry[TAG] = ImageRefusedError("no such tag")
    store = open_version_store(str(tmp_path))
    with pytest.raises(ImageRefusedError):
        submit(a_spec(image=TAG), store, Recorder(name))
    assert not store.jobs()
