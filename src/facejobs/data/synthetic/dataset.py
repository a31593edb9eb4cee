"""A synthetic data set in one folder: training records, verification pairs, photographs with labelled faces."""

from dataclasses import dataclass
from pathlib import Path

from facejobs.data.errors import RequestError
from facejobs.data.fresh_output import fresh_directory
from facejobs.data.synthetic.photograph_set import write_photographs
from facejobs.data.synthetic.training_set import write_training_set
from facejobs.data.synthetic.verification_set import FOLDS, matching_pairs_per_fold, write_verification_set
from facejobs.data.synthetic.workers import Progress, ordered_workers, silent


@dataclass(frozen=True, slots=True)
class SyntheticCounts:
    """How much to draw. `pairs` counts matching and non-matching pairs together, over the ten folds."""

    identities: int = 60
    images: int = 30
    verification_identities: int = 60
    verification_images: int = 10
    pairs: int = 600
    photographs: int = 24

    def check(self) -> None:
        """Raise RequestError for a count too small, or where there are fewer different pairs than asked for."""
        lowest = {
            "identities": 2,
            "images": 1,
            "verification_identities": 2 * FOLDS,
            "verification_images": 2,
            "photographs": 0,
        }
        for name, least in lowest.items():
            if getattr(self, name) < least:
                option = name.replace("_", "-")
                raise RequestError(f"--{option} is {getattr(self, name)}, at least {least} are needed")
        if self.pairs < 2 * FOLDS or self.pairs % (2 * FOLDS):
            raise RequestError(f"--pairs is {self.pairs}; {FOLDS} folds of two kinds need a multiple of {2 * FOLDS}")
        wanted = self.pairs // (2 * FOLDS)
        possible = matching_pairs_per_fold(self.verification_identities, self.verification_images)
        if wanted > possible:
            raise RequestError(
                f"--pairs {self.pairs} needs {wanted} matching pairs in each fold, whose people have only {possible}; "
                "lower --pairs, or raise --verification-identities or --verification-images"
            )


def write_synthetic(
    target: Path, counts: SyntheticCounts, seed: int, processes: int, progress: Progress = silent
) -> None:
    """Draw a data set into `target`, which appears whole or not at all.

    Writes `recognition_train_data/` (records in InsightFace's layout), `verification/synthetic/` (LFW's layout,
    people who are not in the training records) and `photographs/` (images and label.txt). The same counts and
    seed give the same bytes with any number of processes. Raises RequestError for impossible counts or a negative
    seed, and OutputExistsError where `target` exists and is not an empty folder.
    """
    counts.check()
    if seed < 0:
        raise RequestError(f"--seed is {seed}, it must not be negative")
    people = counts.identities + counts.verification_identities
    with fresh_directory(target) as work, ordered_workers(processes) as workers:
        write_training_set(work / "recognition_train_data", seed, counts.identities, counts.images, workers, progress)
        write_verification_set(
            work / "verification" / "synthetic",
            seed,
            range(counts.identities, people),
            counts.verification_images,
            counts.pairs,
            workers,
            progress,
        )
        write_photographs(work / "photographs", seed, range(counts.photographs), people, workers, progress)
