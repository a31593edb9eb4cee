"""Synthetic faces as training records in InsightFace's layout: `cele.rec`, `.idx`, `.lst` and `property`."""

from functools import partial
from pathlib import Path

from facejobs.data.alignment import TEMPLATE_SIZE
from facejobs.data.image_record import pack_image_record
from facejobs.data.property_file import DatasetProperty
from facejobs.data.recordio import RecordWriter
from facejobs.data.synthetic.identity import person_name
from facejobs.data.synthetic.portrait import draw_portraits
from facejobs.data.synthetic.workers import OrderedMap, Progress


def write_training_set(
    folder: Path, seed: int, identities: int, images: int, workers: OrderedMap, progress: Progress
) -> None:
    """Draw `images` aligned faces of each of the people 0..identities-1; a person's number is the label."""
    folder.mkdir(parents=True)
    with (
        (folder / "cele.rec").open("wb") as records,
        (folder / "cele.idx").open("wb") as index,
        (folder / "cele.lst").open("w", encoding="utf-8", newline="\n") as listing,
    ):
        writer = RecordWriter(records, index)
        key = 1
        for label, portraits in enumerate(workers(partial(draw_portraits, seed, images), range(identities))):
            name = person_name(label)
            for number, portrait in enumerate(portraits, 1):
                writer.write(key, pack_image_record(float(label), key, portrait))
                listing.write(f"1\t{name}/{name}_{number:04d}.jpg\t{label}\n")
                key += 1
            progress("training faces", label + 1, identities)
        first_identity = key
        for label in range(identities):
            first = 1 + label * images
            writer.write(key, pack_image_record((float(first), float(first + images)), key))
            key += 1
        writer.write(0, pack_image_record((float(first_identity), float(key)), 0))
    size = DatasetProperty(identities, TEMPLATE_SIZE, TEMPLATE_SIZE)
    (folder / "property").write_text(f"{size}\n", encoding="utf-8")
