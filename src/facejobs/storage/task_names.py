"""The number of a task, how many there are and on which hosts, where the platform has names of its own for them.

ModelArts V2 sets `VC_TASK_INDEX`, `MA_NUM_HOSTS` and `VC_WORKER_HOSTS`, as Volcano does below it; V1 sets the first two
as `DLS_*` and the hosts as `BATCH_CUSTOM0_HOSTS`, `BATCH_CUSTOM1_HOSTS`, … with a port each.
"""

import re
from collections.abc import Mapping

INDEX, NUMBER, HOSTS = "DLS_TASK_INDEX", "DLS_TASK_NUMBER", "DLS_TASK_HOSTS"

_OTHER_NAMES = {
    INDEX: ("VC_TASK_INDEX",),
    NUMBER: ("MA_NUM_HOSTS", "VC_WORKER_NUM"),
    HOSTS: ("VC_WORKER_HOSTS",),
}
_V1_HOSTS = re.compile(r"BATCH_CUSTOM(\d+)_HOSTS")


def with_task_names(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment with `DLS_TASK_*` set from the platform's own variables; what is set already stays."""
    found = dict(environment)
    for name, others in _OTHER_NAMES.items():
        told = [environment[other] for other in others if environment.get(other)]
        if not found.get(name) and told:
            found[name] = told[0]
    hosts = _v1_hosts(environment)
    if not found.get(HOSTS) and hosts:
        found[HOSTS] = ",".join(hosts)
    return found


def _v1_hosts(environment: Mapping[str, str]) -> list[str]:
    """One host of each task, by its number, without the port."""
    numbered = {int(match[1]): value for name, value in environment.items() if (match := _V1_HOSTS.fullmatch(name))}
    hosts = [numbered[number].split(",")[0].strip() for number in sorted(numbered)]
    return [re.sub(r":\d+$", "", host) for host in hosts if host]
