"""The data check of photographs with labelled faces: labels, images and splits against each other."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facejobs.data.check.face_labels import check_faces
from facejobs.data.check.findings import FileFinding, FindingCounts, FindingLog, Severity
from facejobs.data.check.photographs import PhotographVerdict, judge_photographs
from facejobs.data.check.spread import Spread, spread_of
from facejobs.data.detection.detection_split import IMAGES, LABELS, find_splits, require_split
from facejobs.data.detection.faces import LabelledImage
from facejobs.data.detection.label_files import LabelFile, Source, scan_labels
from facejobs.data.detection.photograph_files import find_photographs
from facejobs.data.errors import DataError

_FACE_HEIGHTS = (0, 4, 8, 16, 32, 64, 128, 256, 512, 1024)

Progress = Callable[[int, int], None]
"""Called now and then with (photographs done, photographs in all)."""


@dataclass(frozen=True, slots=True)
class SplitCounts:
    """What one split holds. `faces` counts all; of them `with_landmarks` have all five, `ignored` count for nothing."""

    name: str
    dialect: Source | None
    images: int
    images_without_faces: int
    faces: int
    with_landmarks: int
    ignored: int


@dataclass(frozen=True, slots=True)
class PhotographReport(FindingCounts):
    """What `check_photographs` found. Sizes are (height, width) in pixels, None where no photograph is readable."""

    path: Path
    splits: list[SplitCounts]
    smallest: tuple[int, int] | None
    largest: tuple[int, int] | None
    face_heights: Spread | None
    findings: FindingLog


@dataclass(slots=True)
class _Split:
    folder: Path
    labels: LabelFile | None = None
    photographs: list[Path] = field(default_factory=list)
    """Those that are labelled or lie in the folder of images."""


def check_photographs(directory: Path, threads: int, progress: Progress) -> PhotographReport:
    """Read all labels and photographs of `directory`, a split or a folder of splits, and compare them.

    Damage is noted and read past. Memory is some 200 bytes a photograph beside the labels.
    """
    log = FindingLog()
    splits = [_open(folder, log) for folder in find_splits(directory)]
    paths = [path for split in splits for path in split.photographs]
    verdicts: dict[Path, PhotographVerdict] = {}
    for path, verdict in zip(paths, judge_photographs(paths, threads), strict=True):
        verdicts[path] = verdict
        progress(len(verdicts), len(paths))
    for split in splits:
        _compare(split, verdicts, log)
    _check_copies(splits, verdicts, log)
    sizes = sorted((verdict.size for verdict in verdicts.values() if not verdict.problem), key=np.prod)
    return PhotographReport(
        path=directory,
        splits=[_counts(split) for split in splits],
        smallest=sizes[0] if sizes else None,
        largest=sizes[-1] if sizes else None,
        face_heights=spread_of(_face_heights(splits), _FACE_HEIGHTS),
        findings=log,
    )


def _open(folder: Path, log: FindingLog) -> _Split:
    split = _Split(folder)
    try:
        require_split(folder)
    except DataError as error:
        _note(log, "error", "split", str(error))
    labels = folder / LABELS
    if labels.is_file():
        try:
            split.labels, problems = scan_labels(labels)
        except DataError as error:
            _note(log, "error", "label", str(error))
        else:
            for problem in problems:
                _note(log, "error", "label", problem.message, labels, problem.line)
    labelled = [folder / IMAGES / image.path for image in split.labels.images] if split.labels else []
    try:
        present = find_photographs(folder / IMAGES)
    except DataError:
        present = []
    split.photographs = list(dict.fromkeys([*labelled, *present]))
    return split


def _compare(split: _Split, verdicts: dict[Path, PhotographVerdict], log: FindingLog) -> None:
    if split.labels is None:
        return
    labels = split.folder / LABELS
    labelled = {split.folder / IMAGES / image.path: image for image in split.labels.images}
    for path, image in labelled.items():
        verdict = verdicts[path]
        if verdict.problem:
            kind = "unreadable" if path.exists() else "missing-image"
            _note(log, "error", kind, verdict.problem, labels, image.line)
            continue
        for severity, kind, message in check_faces(image, verdict, split.labels.sizes.get(image.path)):
            _note(log, severity, kind, message, labels, image.line)
    for path in split.photographs:
        if path not in labelled:
            _note(log, "warning", "unlabelled", f"{labels.name} does not name this image; nothing reads it", path)
    if not any(len(image) for image in labelled.values()):
        _note(log, "error", "label", "no image of this file has a face", labels)
    elif all(image.ignored.all() for image in labelled.values()):
        _note(
            log, "warning", "all-ignored", "all faces of this file are ignored: nothing to train or measure on", labels
        )


def _check_copies(splits: list[_Split], verdicts: dict[Path, PhotographVerdict], log: FindingLog) -> None:
    """Note every photograph that equals an earlier one, byte for byte."""
    first: dict[bytes, tuple[_Split, Path]] = {}
    for split in splits:
        for path in split.photographs:
            verdict = verdicts[path]
            if verdict.problem:
                continue
            earlier_split, earlier = first.setdefault(verdict.digest, (split, path))
            if earlier == path:
                continue
            if earlier_split is split:
                _note(log, "warning", "duplicate", f"the same image as {earlier}", path)
            else:
                _note(log, "error", "image-in-two-splits", f"the same image as {earlier}", path)


def _face_heights(splits: list[_Split]) -> NDArray[np.float64]:
    images = [image for split in splits if split.labels for image in split.labels.images]
    heights = [(image.boxes[:, 3] - image.boxes[:, 1]).astype(np.float64) for image in images]
    # To the thousandth that labels are written to, lest 16 be 15.9999998 and in another bin.
    rounded: NDArray[np.float64] = np.concatenate([*heights, np.empty(0)]).round(3)
    return rounded


def _counts(split: _Split) -> SplitCounts:
    images: tuple[LabelledImage, ...] = split.labels.images if split.labels else ()
    complete = [~np.isnan(image.landmarks).any(axis=(1, 2)) for image in images]
    return SplitCounts(
        name=split.folder.resolve().name,
        dialect=split.labels.dialect if split.labels else None,
        images=len(images),
        images_without_faces=sum(not len(image) for image in images),
        faces=sum(len(image) for image in images),
        with_landmarks=sum(int(known.sum()) for known in complete),
        ignored=sum(int(image.ignored.sum()) for image in images),
    )


def _note(
    log: FindingLog, severity: Severity, kind: str, message: str, file: Path | None = None, line: int | None = None
) -> None:
    log.add(FileFinding(severity, kind, message, None if file is None else str(file), line))
