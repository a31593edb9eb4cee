"""What a verdict on two versions rests on."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from facejobs.jobs.comparison.changes import Change, causes, is_seed
from facejobs.jobs.comparison.identification_significance import PeopleChange
from facejobs.jobs.comparison.metric_rows import Cell, MetricRow
from facejobs.jobs.comparison.run import Run
from facejobs.jobs.comparison.significance import PairedBootstrap


@dataclass(frozen=True)
class Evidence:
    """All that a verdict on `other` against `first` rests on; `position` is that of `other` in the rows' cells."""

    first: Run
    other: Run
    position: int
    changed: Sequence[Change]
    rows: Sequence[MetricRow]
    bootstraps: Sequence[PairedBootstrap]
    people: PeopleChange | None = None
    row: MetricRow | None = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "row", self._decisive_row())

    def _decisive_row(self) -> MetricRow | None:
        # Rows are ordered by how much they say of a model.
        return next((row for row in self.rows if self.cell(row).best_difference is not None), None)

    def cell(self, row: MetricRow) -> Cell:
        """The row's cell of `other`."""
        return row.cells[self.position]

    @property
    def bootstrap(self) -> PairedBootstrap | None:
        """The one of the decisive metric, where there is one."""
        if self.row is None:
            return None
        for bootstrap in self.bootstraps:
            if (bootstrap.protocol, bootstrap.metric) == (self.row.protocol, self.row.name):
                return bootstrap
        return None

    @property
    def told_bootstraps(self) -> list[PairedBootstrap]:
        """One for each set of data: the decisive metric's, else the first."""
        by_set: dict[str, PairedBootstrap] = {}
        for bootstrap in self.bootstraps:
            if bootstrap == self.bootstrap:
                by_set[bootstrap.set_name] = bootstrap
            by_set.setdefault(bootstrap.set_name, bootstrap)
        return list(by_set.values())

    @property
    def causes(self) -> list[Change]:
        """What may have made the difference; the seed only if its effect is unknown."""
        found = causes(self.changed)
        if found and not self._band_known:
            return found + [change for change in self.changed if is_seed(change.fact)]
        return found

    @property
    def seed_differs(self) -> bool:
        """Whether the two versions have different seeds."""
        return any(is_seed(change.fact) for change in self.changed)

    @property
    def _band_known(self) -> bool:
        return self.row is not None and self.cell(self.row).band is not None
