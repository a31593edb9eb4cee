import json

from job_records import a_record

from facejobs.jobs.version_record import BackendBlock, VersionRecord, parse_record


def test_a_record_says_which_backend_and_with_which_options() -> None:
    record = a_record(1).model_copy(update={"backend": BackendBlock(name="slurm", options={"partition": "gpu"})})
    assert parse_record(record.model_dump_json().encode(), "v") == record


def test_a_record_of_an_earlier_release_names_its_backend_only() -> None:
    older = json.loads(a_record(1).model_dump_json()) | {"backend": "local"}
    found = parse_record(json.dumps(older).encode(), "v")
    assert isinstance(found, VersionRecord) and found.backend == BackendBlock(name="local")
