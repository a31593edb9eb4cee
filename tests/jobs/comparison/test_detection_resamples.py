"""Two detectors on the same photographs are compared draw by draw."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facejobs.data.detection.faces import Detections, LabelledImage
from facejobs.evaluation.detection import DetectionResult, evaluate_detection
from facejobs.evaluation.detection_resamples import write_resamples
from facejobs.jobs.comparison.as_json import as_json
from facejobs.jobs.comparison.comparison import compare
from facejobs.jobs.comparison.detection_resamples import compare_precisions, parse_resamples
from facejobs.jobs.comparison.reading import SeedGroups, read_run
from facejobs.jobs.comparison.verdict import Judgement


def measured(found: float, seed: int, photographs: int = 60, resamples: int = 300) -> DetectionResult:
    """A detector that finds this share of the faces, two in each photograph, and gives a false alarm in each third."""
    generator = np.random.default_rng(seed)
    boxes = np.array([[10, 10, 50, 50], [100, 10, 140, 60]], np.float32)
    images, detections = [], []
    for number in range(photographs):
        empty = np.full((2, 5, 2), np.nan, np.float32)
        images.append(LabelledImage(f"{number}.jpg", number, boxes, empty, np.zeros(2, np.float32), np.zeros(2, bool)))
        kept = boxes[generator.random(2) < found]
        alarms = boxes[:1] + 300 if number % 3 == 0 else boxes[:0]
        every = np.concatenate([kept, alarms])
        detections.append(Detections(every, generator.random(len(every)).astype(np.float32), None))
    return evaluate_detection(
        images, detections, name="val", fingerprint="f" * 64, scale="original", resamples=resamples
    )


def npz(result: DetectionResult, folder: Path, prefix: str = "val_") -> bytes:
    write_resamples(result, folder / "resamples" / "val.npz", prefix)
    return (folder / "resamples" / "val.npz").read_bytes()


def test_what_evaluation_writes_is_read_back(tmp_path: Path) -> None:
    result = measured(0.7, 1)
    read = parse_resamples(npz(result, tmp_path))
    assert [one.metric for one in read] == [f"val_ap_{one.name}_original" for one in result.precisions]
    for one, written in zip(read, result.precisions, strict=True):
        assert (one.protocol, one.value, one.set_name, one.photographs) == (written.protocol, written.value, "val", 60)
        assert np.array_equal(one.resampled, written.resampled, equal_nan=True)
    assert not list((tmp_path / "resamples").glob(".*"))


def test_the_interval_equals_a_literal_bootstrap_over_photographs(tmp_path: Path) -> None:
    results = measured(0.5, 1, 25, 100), measured(0.9, 2, 25, 100)
    first, other = (parse_resamples(npz(result, tmp_path))[0] for result in results)
    bootstrap = compare_precisions(first, other)
    counts = [result.matched for result in results]
    assert bootstrap.difference == pytest.approx(results[1].headline.value - results[0].headline.value)
    generator = np.random.default_rng(0)
    differences = []
    for _ in range(100):
        drawn = generator.integers(0, 25, 25)
        values = [_literal_ap(matched, result.counted, drawn) for matched, result in zip(counts, results, strict=True)]
        differences.append(values[1] - values[0])
    assert (bootstrap.low, bootstrap.high) == pytest.approx(np.quantile(differences, [0.025, 0.975]), abs=1e-9)
    assert (bootstrap.units, bootstrap.count, bootstrap.resamples, bootstrap.real) == ("photographs", 25, 100, True)


def _literal_ap(matched: Any, counted: np.ndarray, drawn: np.ndarray) -> float:
    """All-point average precision of the photographs `drawn`, threshold by threshold."""
    hits, alarms = matched.hits(counted), matched.false_alarms(counted)
    weights = np.array([(drawn == photograph).sum() for photograph in matched.image])
    faces = sum((drawn == photograph).sum() for photograph in matched.image_of_face[counted])
    points = []
    for threshold in sorted(set(matched.scores)):
        above = matched.scores >= threshold
        found, false = (weights[above & which].sum() for which in (hits, alarms))
        points.append((found / faces, found / (found + false) if found + false else 0.0))
    total, reached = 0.0, 0.0
    for recall, _ in sorted(points):
        total += (recall - reached) * max(precision for other, precision in points if other >= recall)
        reached = recall
    return total


def test_exchanging_the_detectors_mirrors_the_result(tmp_path: Path) -> None:
    first, other = (parse_resamples(npz(measured(found, 3), tmp_path))[0] for found in (0.6, 0.65))
    there, back = compare_precisions(first, other), compare_precisions(other, first)
    assert (there.difference, there.low, there.p) == (-back.difference, pytest.approx(-back.high), back.p)
    same = compare_precisions(first, first)
    assert (same.difference, same.low, same.high, same.p, same.real) == (0, 0, 0, 1, False)


def test_other_draws_are_not_compared(tmp_path: Path) -> None:
    first, *rest = parse_resamples(npz(measured(0.6, 3), tmp_path))
    with pytest.raises(ValueError, match="other photographs"):
        compare_precisions(first, rest[0])
    fewer = type(first)(first.metric, first.protocol, "val", 60, first.value, first.resampled[:10])
    assert compare_precisions(first, fewer) is None
    empty = type(first)(first.metric, first.protocol, "val", 60, first.value, np.full(300, np.nan))
    assert compare_precisions(first, empty) is None
    elsewhere = type(first)("test_ap", first.protocol, "test", 60, first.value, first.resampled)
    assert compare_precisions(first, elsewhere) is None


@given(st.binary(max_size=80))
def test_no_bytes_make_the_reader_raise(data: bytes) -> None:
    assert parse_resamples(data) is None


@given(st.data())
def test_a_damaged_file_is_none_or_whole(data: st.DataObject) -> None:
    whole = _small_file()
    place = data.draw(st.integers(0, len(whole) - 1))
    damaged = whole[:place] + bytes([whole[place] ^ data.draw(st.integers(1, 255))]) + whole[place + 1 :]
    read = parse_resamples(damaged)
    assert read is None or [one.resampled.tolist() for one in read] == [[0.1, 0.2]]
    assert parse_resamples(whole[:place]) is None


def _small_file(**changes: Any) -> bytes:
    content = io.BytesIO()
    arrays = {
        "set": np.array("val"), "photographs": np.array(3), "names": np.array(["20px"]), "metrics": np.array(["ap"]),
        "protocols": np.array(["p"]), "values": np.array([0.5]), "20px": np.array([0.1, 0.2]),
    }  # fmt: skip
    np.savez_compressed(content, **{**arrays, **changes})
    return content.getvalue()


@pytest.mark.parametrize(
    "change",
    [{"names": np.array(["20px", "all"])}, {"values": np.array([np.nan])}, {"20px": np.zeros((2, 2))},
     {"photographs": np.array(["x"])}, {"names": np.array([{"pickled": True}], object)}],
)  # fmt: skip
def test_arrays_that_do_not_belong_together_are_none(change: dict) -> None:
    assert parse_resamples(_small_file()) is not None
    assert parse_resamples(_small_file(**change)) is None


def test_a_file_that_unpacks_to_too_much_is_none() -> None:
    content = io.BytesIO(_small_file())
    with zipfile.ZipFile(content, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("more.npy", bytes(65 * 1024 * 1024))
    assert parse_resamples(content.getvalue()) is None


def versions_of(make_version, tmp_path: Path, *results: DetectionResult) -> list[Any]:
    folders = []
    for number, result in enumerate(results):
        value = result.headline.value
        line = {"step": 10, "epoch": 0, "name": "val_ap_20px_original", "value": value, "time": 1.0}
        metrics = json.dumps({**line, "protocol": result.headline.protocol}) + "\n"
        folder = make_version({"lr": 0.1 + number}, metrics=metrics)
        folder.store.write("resamples/val.npz", npz(result, tmp_path / str(number)))
        folders.append(folder)
    return folders


def test_a_better_detector_is_credited_and_the_interval_told(version_store, make_version, tmp_path: Path) -> None:
    folders = versions_of(make_version, tmp_path, measured(0.5, 1), measured(0.9, 2))
    comparison = compare([read_run(folder) for folder in folders], SeedGroups(version_store, "cele").of)
    (pair,) = comparison.pairs
    assert pair.verdict.judgement is Judgement.CREDITED and pair.verdict.metric == "val_ap_20px_original"
    told = [line for line in pair.verdict.details if line.startswith("Between these two models")]
    assert len(told) == 1 and "val_ap_20px_original on the 60 photographs of val is real" in told[0]
    written = as_json(comparison)["comparisons"][0]["bootstraps"]
    assert len(written) == len(pair.bootstraps) > 2 and written[0]["right_alone"] is None


def test_detectors_that_differ_by_chance_are_not_ranked(version_store, make_version, tmp_path: Path) -> None:
    folders = versions_of(make_version, tmp_path, measured(0.7, 1, 20), measured(0.7, 3, 20))
    comparison = compare([read_run(folder) for folder in folders], SeedGroups(version_store, "cele").of)
    (pair,) = comparison.pairs
    assert pair.verdict.judgement is Judgement.NOT_DISTINGUISHABLE
    assert "where other photographs would give" in pair.verdict.sentence


def test_an_evaluations_file_counts_too_and_a_damaged_one_is_noted(make_version, tmp_path: Path) -> None:
    folder = make_version()
    folder.store.write("resamples.npz", npz(measured(0.5, 1), tmp_path, prefix=""))
    assert "ap_20px_original" in {one.metric for one in read_run(folder).precisions.values()}
    folder.store.write("resamples/val.npz", b"PK")
    assert "resamples/val.npz cannot be read" in read_run(folder).notes
