"""Where workers meet: beside the outputs, or at the first host; and that nothing but a file of ours is believed."""

import json

import pytest

from facejobs.storage.environment import BootEnvironment
from facejobs.storage.hooks import is_reserved
from facejobs.storage.local import LocalStore
from facejobs.training.distributed.meeting import AgreedMeeting, Meeting, StoredMeeting, meeting_place
from facejobs.training.errors import ParameterError


def environment(**variables: str) -> BootEnvironment:
    return BootEnvironment.read(
        {"DLS_TASK_INDEX": "0", "DLS_TASK_NUMBER": "2", "DLS_JOB_ID": "faces-V0001", **variables}
    )


def test_what_the_first_announces_the_others_find_and_it_is_cleared(tmp_path) -> None:
    place = StoredMeeting(LocalStore(tmp_path), ())
    meeting = place.announce(4242)
    assert StoredMeeting(LocalStore(tmp_path), ()).find() == meeting
    assert meeting.port == 4242 and len(meeting.token) >= 32 and meeting.addresses
    assert place.announce(4242).token != meeting.token
    place.clear()
    assert place.find() is None


def test_addresses_that_only_this_machine_reaches_come_last(tmp_path) -> None:
    addresses = StoredMeeting(LocalStore(tmp_path), ("localhost", "no-such-host.invalid")).announce(1).addresses
    loopback = [address.startswith("127.") for address in addresses]
    assert loopback == sorted(loopback) and "127.0.0.1" in addresses


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"addresses": 3, "port": 1, "token": "t"}', '{"port": "x"}'])
def test_an_announcement_that_is_none_is_as_if_it_were_not_there(tmp_path, content: str) -> None:
    (tmp_path / "rendezvous.json").write_text(content)
    assert StoredMeeting(LocalStore(tmp_path), ()).find() is None


def test_no_output_can_take_its_name() -> None:
    assert is_reserved("rendezvous.json")


def test_the_version_folder_is_the_place_before_the_output_and_the_hosts(tmp_path) -> None:
    urls = {"DLS_TRAIN_URL": str(tmp_path / "out"), "FACEJOBS_VERSION_URL": str(tmp_path / "version")}
    assert str(meeting_place(environment(**urls, DLS_TASK_HOSTS="a,b"))).startswith(urls["FACEJOBS_VERSION_URL"])
    del urls["FACEJOBS_VERSION_URL"]
    assert str(meeting_place(environment(**urls, DLS_TASK_HOSTS="a,b"))).startswith(urls["DLS_TRAIN_URL"])


def test_without_storage_all_derive_one_place_from_the_jobs_name() -> None:
    one, other = (AgreedMeeting(environment(DLS_TASK_INDEX=str(task), DLS_TASK_HOSTS="a, b")) for task in (0, 1))
    another = AgreedMeeting(environment(DLS_JOB_ID="faces-V0002", DLS_TASK_HOSTS="a,b"))
    assert one.announce(one.port) == other.find() != another.find()
    assert isinstance(one.find(), Meeting) and one.find().addresses == ["a"] and 10_000 <= one.port < 30_000


def test_nowhere_to_meet_is_said() -> None:
    with pytest.raises(ParameterError, match=r"2 tasks train together, but nothing says where .*DLS_TASK_HOSTS"):
        meeting_place(environment())


def test_the_announcement_holds_nothing_but_the_way_there(tmp_path) -> None:
    StoredMeeting(LocalStore(tmp_path), ()).announce(1)
    assert set(json.loads((tmp_path / "rendezvous.json").read_text())) == {"addresses", "port", "token"}
