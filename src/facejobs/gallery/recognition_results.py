"""What was recognised in photographs, as files: results.jsonl, results.csv, decision.json, metrics.jsonl."""

import csv
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, TextIO

from facejobs.data.errors import DataError
from facejobs.evaluation.metric_lines import write_metrics
from facejobs.gallery.decision import RecognisedPerson
from facejobs.gallery.decision_source import SourcedDecision
from facejobs.gallery.store import Gallery
from facejobs.inference.face_pipeline import DescribedFace, DescribedPhotograph

JSON_NAME = "results.jsonl"
CSV_NAME = "results.csv"
DECISION_NAME = "decision.json"
_POINTS = ("left_eye", "right_eye", "nose", "left_mouth", "right_mouth")
_COLUMNS = (
    "photograph", "face", "name", "similarity", "probability", "best", "runner_up", "margin", "score", "x1", "y1", "x2",
    "y2", *(f"{point}_{axis}" for point in _POINTS for axis in "xy"),
)  # fmt: skip
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


@contextmanager
def recognition_results(folder: Path, root: Path) -> "Iterator[RecognitionResults]":
    """Yield what writes results into the empty folder `folder`; photographs are named by their paths below `root`.

    metrics.jsonl is written where the block ends without an exception. Raises OSError.
    """
    with (
        (folder / JSON_NAME).open("w", encoding="utf-8") as lines,
        # A file name of other bytes than UTF-8 is written with escapes.
        (folder / CSV_NAME).open("w", encoding="utf-8", errors="backslashreplace", newline="") as table,
    ):
        results = RecognitionResults(folder, root, lines, table)
        yield results
    write_metrics(folder, [{"name": name, "value": value} for name, value in results.counts.items()])


class RecognitionResults:
    """Takes photograph after photograph. docs/how-to/recognise-people.md has the formats."""

    def __init__(self, folder: Path, root: Path, lines: TextIO, table: TextIO) -> None:
        self._folder, self._root, self._lines = folder, root, lines
        self._rows = csv.writer(table)
        self._rows.writerow(_COLUMNS)
        self.counts = dict.fromkeys(("photographs", "unread_photographs", "faces", "recognised_faces"), 0)

    def describe(self, gallery: Gallery, sourced: SourcedDecision) -> None:
        """Write by what faces are decided into decision.json."""
        decision = sourced.decision
        document = {
            "threshold": decision.threshold,
            "source": sourced.source,
            "meaning": sourced.meaning,
            "warnings": sourced.warnings,
            "rule": decision.rule,
            "neighbours": decision.neighbours if decision.rule == "knn" else None,
            "gallery": {"people": len(gallery.people), "embeddings": gallery.description.files["embeddings"].blake3},
            "detector": asdict(gallery.detector),
            "recogniser": asdict(gallery.recogniser),
        }
        text = json.dumps(document, indent=2, allow_nan=False) + "\n"
        (self._folder / DECISION_NAME).write_text(text, encoding="utf-8")

    def add(self, path: Path, photograph: DescribedPhotograph, people: list[RecognisedPerson]) -> dict[str, Any]:
        """Write the faces of one photograph, and return what results.jsonl says of them."""
        faces = [_face(face, person) for face, person in zip(photograph.faces, people, strict=True)]
        name = self._name(path)
        line = {
            "photograph": name,
            "width": photograph.width,
            "height": photograph.height,
            "faces": faces,
            "unaligned": photograph.unaligned,
        }
        self._write(line)
        for number, face in enumerate(faces, start=1):
            self._rows.writerow(_row(name, number, face))
        self.counts["faces"] += len(faces)
        self.counts["recognised_faces"] += sum(person.recognised for person in people)
        return line

    def add_problem(self, path: Path, problem: DataError) -> dict[str, Any]:
        """Write that a photograph could not be read, and return what results.jsonl says of it."""
        line = {"photograph": self._name(path), "error": str(problem)}
        self._write(line)
        self.counts["unread_photographs"] += 1
        return line

    def _name(self, path: Path) -> str:
        return str(path.relative_to(self._root))

    def _write(self, line: dict[str, Any]) -> None:
        self._lines.write(json.dumps(line, allow_nan=False) + "\n")
        self.counts["photographs"] += 1


def cell(text: str) -> str:
    """A text as a cell of a table; one that a spreadsheet would take for a formula gets an apostrophe before it."""
    return f"'{text}" if text.startswith(_FORMULA) or text.lstrip().startswith(_FORMULA[:4]) else text


def _face(face: DescribedFace, person: RecognisedPerson) -> dict[str, Any]:
    known = {name: round(value, 4) if isinstance(value, float) else value for name, value in asdict(person).items()}
    return {
        **known,
        "box": face.box.astype(float).round(2).tolist(),
        "score": round(face.score, 4),
        "landmarks": face.landmarks.astype(float).round(2).tolist(),
    }


def _row(photograph: str, number: int, face: dict[str, Any]) -> list[Any]:
    texts = {name: cell(face[name]) if face[name] is not None else "" for name in ("name", "best", "runner_up")}
    values = {name: "" if face[name] is None else face[name] for name in ("similarity", "probability", "margin")}
    return [
        cell(photograph), number, texts["name"], values["similarity"], values["probability"], texts["best"],
        texts["runner_up"], values["margin"], face["score"], *face["box"],
        *(coordinate for point in face["landmarks"] for coordinate in point),
    ]  # fmt: skip
