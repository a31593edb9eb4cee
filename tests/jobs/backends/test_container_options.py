"""Options of the container backend that are wrong are refused by name."""

import pytest

from facejobs.jobs.backends.container_options import ContainerOptions
from facejobs.jobs.backends.options import read_options
from facejobs.jobs.errors import SpecError


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"tool": "lxc"}, "backends.container.tool"),
        ({"shm_size": 0}, "shm_size"),
        ({"shm_size": "much"}, "expected an amount of memory"),
        ({"shm_size": True}, "shm_size"),
        ({"user": "ann"}, "UID:GID"),
        ({"user": "1000:"}, "UID:GID"),
        ({"user": "1000 --privileged"}, "UID:GID"),
        ({"network": "--privileged"}, "expected the name of a network"),
        ({"network": "host --privileged"}, "expected the name of a network"),
        ({"network": ""}, "expected the name of a network"),
        ({"extra": ["alpine"]}, "begins with '-'"),
        ({"extra": ["--ulimit", "core=0", "--name=mine"]}, "--name is up to facejobs"),
        ({"extra": ["-d"]}, "-d is up to facejobs"),
        ({"extra": ["--rm=false"]}, "--rm is up to facejobs"),
        ({"extra": ["--ulimit", "--"]}, "-- is up to facejobs"),
        ({"extra": ["--env", "API_TOKEN=abc"]}, "API_TOKEN looks like a secret"),
        ({"extra": ["--env=API_TOKEN=abc"]}, "API_TOKEN looks like a secret"),
        ({"extra": ["-eAPI_TOKEN=abc"]}, "API_TOKEN looks like a secret"),
        ({"shmsize": "1GiB"}, "did you mean shm_size?"),
    ],
)
def test_a_wrong_option_is_named(values, words) -> None:
    with pytest.raises(SpecError, match=r"backends\.container") as error:
        read_options(ContainerOptions, "container", values)
    assert words in str(error.value)


def test_options_as_typed() -> None:
    options = read_options(
        ContainerOptions,
        "container",
        {"user": 1000, "shm_size": "64MiB", "extra": "--ulimit core=0", "network": "host"},
    )
    assert (options.user, options.shm_size, options.extra) == ("1000", 64 << 20, ["--ulimit", "core=0"])
