"""What a data check finds: errors and warnings, each with the record and byte it is about."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

Severity = Literal["error", "warning"]

SHOWN_PER_KIND = 100


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong; `record` (its number) and `offset` (its first byte) are None where there is none."""

    severity: Severity
    kind: str
    message: str
    record: int | None = None
    offset: int | None = None


@dataclass
class FindingLog:
    """Counts every finding and keeps the first `SHOWN_PER_KIND` of each kind, so that it stays small."""

    shown: list[Finding] = field(default_factory=list)
    counts: Counter[tuple[Severity, str]] = field(default_factory=Counter)

    def error(self, kind: str, message: str, record: int | None = None, offset: int | None = None) -> None:
        """Note something that must be put right before training."""
        self._add(Finding("error", kind, message, record, offset))

    def warn(self, kind: str, message: str, record: int | None = None, offset: int | None = None) -> None:
        """Note something worth knowing that training can live with."""
        self._add(Finding("warning", kind, message, record, offset))

    def more(self, severity: Severity, kind: str, count: int) -> None:
        """Count findings that are not worth a line each."""
        if count:
            self.counts[severity, kind] += count

    def total(self, severity: Severity) -> int:
        """Return how many findings of `severity` there were, shown or not."""
        return sum(count for (of, _), count in self.counts.items() if of == severity)

    def _add(self, finding: Finding) -> None:
        self.counts[finding.severity, finding.kind] += 1
        if self.counts[finding.severity, finding.kind] <= SHOWN_PER_KIND:
            self.shown.append(finding)
