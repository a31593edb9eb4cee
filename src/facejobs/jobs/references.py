"""How people name a version: `JOB 3`, `JOB V0003`, `JOB@last`, `JOB@best:lfw_accuracy`."""

import re
from dataclasses import dataclass

from facejobs.jobs.errors import SpecError
from facejobs.jobs.spec import JOB_NAME

_NUMBER = re.compile(r"[Vv]?0*([1-9]\d{0,8})", re.ASCII)


@dataclass(frozen=True)
class Reference:
    """One version of a job: by number, or the last one, or the best by a metric. Exactly one of the three is set."""

    job: str
    number: int | None = None
    last: bool = False
    best: str | None = None


def parse_reference(job: str, version: str | None = None) -> Reference:
    """Parse what was typed; SpecError says how a version is named."""
    name, at, selector = job.partition("@")
    if not JOB_NAME.fullmatch(name):
        raise SpecError(f"{name!r} is no name of a job: 1 to 64 letters, digits, '_' or '-', the first no '-'")
    if at and version is not None:
        raise SpecError(f"{job} names a version already: leave out {version!r}")
    selector = selector if at else (version or "")
    if not selector:
        raise SpecError(f"which version of {name}? Write {name} V0003, {name}@last or {name}@best:METRIC")
    if number := _NUMBER.fullmatch(selector):
        return Reference(name, number=int(number[1]))
    if selector == "last":
        return Reference(name, last=True)
    if selector.startswith("best:") and selector != "best:":
        return Reference(name, best=selector.removeprefix("best:"))
    raise SpecError(f"{selector!r} names no version: write 3, V0003, {name}@last or {name}@best:METRIC")
