"""What a data check finds: errors and warnings, each with the place it is about."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

Severity = Literal["error", "warning"]

SHOWN_PER_KIND = 100


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong."""

    severity: Severity
    kind: str
    message: str

    @property
    def place(self) -> str:
        """Where it is, in words; empty where it is in no one place."""
        return ""


@dataclass(frozen=True, slots=True)
class RecordFinding(Finding):
    """What is wrong with records; `record` (its number) and `offset` (its first byte) are None where there is none."""

    record: int | None = None
    offset: int | None = None

    @property
    def place(self) -> str:
        record = "" if self.record is None else f"record {self.record}"
        byte = "" if self.offset is None else f"byte {self.offset}"
        return ", ".join(part for part in (record, byte) if part)


@dataclass(frozen=True, slots=True)
class FileFinding(Finding):
    """What is wrong with a file; `file` is None where the message names it, `line` (from 1) where there is none."""

    file: str | None
    line: int | None = None

    @property
    def place(self) -> str:
        return ":".join(str(part) for part in (self.file, self.line) if part is not None)


@dataclass
class FindingLog:
    """Counts every finding and keeps the first `SHOWN_PER_KIND` of each kind, so that it stays small."""

    shown: list[Finding] = field(default_factory=list)
    counts: Counter[tuple[Severity, str]] = field(default_factory=Counter)

    def error(self, kind: str, message: str, record: int | None = None, offset: int | None = None) -> None:
        """Note something about records that must be put right before training."""
        self.add(RecordFinding("error", kind, message, record, offset))

    def warn(self, kind: str, message: str, record: int | None = None, offset: int | None = None) -> None:
        """Note something about records worth knowing that training can live with."""
        self.add(RecordFinding("warning", kind, message, record, offset))

    def add(self, finding: Finding) -> None:
        """Note a finding."""
        self.counts[finding.severity, finding.kind] += 1
        if self.counts[finding.severity, finding.kind] <= SHOWN_PER_KIND:
            self.shown.append(finding)

    def more(self, severity: Severity, kind: str, count: int) -> None:
        """Count findings that are not worth a line each."""
        if count:
            self.counts[severity, kind] += count

    def total(self, severity: Severity) -> int:
        """Return how many findings of `severity` there were, shown or not."""
        return sum(count for (of, _), count in self.counts.items() if of == severity)


class FindingCounts:
    """How many `findings` a report of a check has."""

    __slots__ = ()

    findings: FindingLog

    @property
    def errors(self) -> int:
        """How many errors there are; none means that the data can be trained on."""
        return self.findings.total("error")

    @property
    def warnings(self) -> int:
        """How many warnings there are."""
        return self.findings.total("warning")
