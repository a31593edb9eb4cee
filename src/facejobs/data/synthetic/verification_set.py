"""Synthetic faces as a verification set in LFW's layout: `pairs.txt` and a folder of aligned images for each person."""

from collections.abc import Sequence
from functools import partial
from itertools import combinations
from pathlib import Path

import numpy as np

from facejobs.data.synthetic.identity import person_name
from facejobs.data.synthetic.portrait import draw_portraits
from facejobs.data.synthetic.seeding import Stream, generator
from facejobs.data.synthetic.workers import OrderedMap, Progress

FOLDS = 10


def matching_pairs_per_fold(people: int, images: int) -> int:
    """How many different matching pairs the smallest fold can have; no person is in two folds."""
    return (people // FOLDS) * (images * (images - 1) // 2)


def write_verification_set(
    folder: Path, seed: int, people: range, images: int, pairs: int, workers: OrderedMap, progress: Progress
) -> None:
    """Draw `images` aligned faces of each of `people`, and list `pairs` pairs, half of them matching, in ten folds."""
    folder.mkdir(parents=True)
    for done, portraits in enumerate(workers(partial(draw_portraits, seed, images), people)):
        name = person_name(people[done])
        (folder / name).mkdir()
        for number, portrait in enumerate(portraits, 1):
            (folder / name / f"{name}_{number:04d}.jpg").write_bytes(portrait)
        progress("verification faces", done + 1, len(people))
    per_kind = pairs // (2 * FOLDS)
    rng = generator(seed, Stream.PAIRS)
    lines = [f"{FOLDS}\t{per_kind}"]
    for fold in np.array_split(rng.permutation(np.array(people)), FOLDS):
        names = [person_name(int(number)) for number in fold]
        lines += _matching(rng, names, images, per_kind) + _different(rng, names, images, per_kind)
    (folder / "pairs.txt").write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")


def _matching(rng: np.random.Generator, names: Sequence[str], images: int, count: int) -> list[str]:
    every = [(name, i, j) for name in names for i, j in combinations(range(1, images + 1), 2)]
    chosen = rng.choice(len(every), count, replace=False)
    return ["\t".join(map(str, every[index])) for index in chosen]


def _different(rng: np.random.Generator, names: Sequence[str], images: int, count: int) -> list[str]:
    """Different pairs of different people; there are always enough where there are enough matching ones."""
    couples = list(combinations(names, 2))
    chosen = rng.choice(len(couples) * images * images, count, replace=False)
    lines = []
    for index in chosen:
        couple, rest = divmod(int(index), images * images)
        (first, second), (i, j) = couples[couple], divmod(rest, images)
        lines.append(f"{first}\t{i + 1}\t{second}\t{j + 1}")
    return lines
