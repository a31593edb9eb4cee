"""A synthetic detection data set: photographs with labelled faces, split for training, validation and test."""

from dataclasses import asdict, dataclass
from pathlib import Path

from facejobs.data.detection.detection_split import DETECTION_DATA
from facejobs.data.errors import RequestError
from facejobs.data.fresh_output import fresh_directory
from facejobs.data.synthetic.photograph_set import write_photographs
from facejobs.data.synthetic.workers import Progress, ordered_workers, silent


@dataclass(frozen=True, slots=True)
class PhotographCounts:
    """How many photographs to draw for each split."""

    train: int
    val: int
    test: int

    def check(self) -> None:
        """Raise RequestError for a split without a photograph."""
        options = {"train": "--photographs", "val": "--val-photographs", "test": "--test-photographs"}
        for split, count in asdict(self).items():
            if count < 1:
                raise RequestError(f"{options[split]} is {count}, at least 1 is needed")


def write_synthetic_detection(
    target: Path, counts: PhotographCounts, seed: int, processes: int, progress: Progress = silent
) -> None:
    """Draw `detection_train_data/{train,val,test}/{images,label.txt}` into `target`, which appears whole or not at all.

    Nobody is in two photographs. The same counts and seed give the same bytes with any number of processes, and more
    photographs to train on leave those of the other splits as they are. Raises RequestError for impossible counts or
    a negative seed, and OutputExistsError where `target` exists and is not an empty folder.
    """
    counts.check()
    if seed < 0:
        raise RequestError(f"--seed is {seed}, it must not be negative")
    with fresh_directory(target) as work, ordered_workers(processes) as workers:
        start = 0
        for split, count in (("test", counts.test), ("val", counts.val), ("train", counts.train)):
            numbers = range(start, start + count)
            write_photographs(
                work / DETECTION_DATA / split, seed, numbers, 0, workers, progress, f"{split} photographs"
            )
            start += count
