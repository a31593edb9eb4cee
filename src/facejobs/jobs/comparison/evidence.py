"""What a verdict on two versions rests on."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from facejobs.jobs.comparison.changes import Change, causes, is_seed
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
        """The one of the decisive metric's pairs, where that metric is their accuracy."""
        if self.row is None:
            return None
        for bootstrap in self.bootstraps:
            if bootstrap.protocol == self.row.protocol and self.row.name == f"{bootstrap.set_name}_accuracy":
                return bootstrap
        return None

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
