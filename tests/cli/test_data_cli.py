"""`facejobs data check | pack | unpack | repair` as a user types them."""

import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import simplejpeg

from facejobs.errors import ExitCode

FACEJOBS = Path(sys.executable).with_name("facejobs")


Data = Callable[..., Any]


@pytest.fixture
def packed(tmp_path: Path, data: Data) -> Path:
    """Two people with two images each, packed by the command itself."""
    rng = np.random.default_rng(0)
    for name in ("ann/1", "ann/2", "bob/1", "bob/2"):
        path = tmp_path / "faces" / f"{name}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(simplejpeg.encode_jpeg(rng.integers(0, 256, (112, 112, 3), np.uint8), 90))
    finished = data("pack", tmp_path / "faces", tmp_path / "packed")
    assert (finished.returncode, finished.stderr) == (0, "")
    assert finished.stdout == f"{tmp_path / 'packed' / 'faces.rec'}: 4 images of 2 people\n"
    return tmp_path / "packed"


def test_clean_data(data: Data, packed: Path) -> None:
    finished = data("check", packed)
    assert (finished.returncode, finished.stderr) == (ExitCode.OK, "")
    for part in ("InsightFace layout", "112x112 (4)", "2,112,112", "from 2 to 2", "clean: no error, no warning"):
        assert part in finished.stdout


def test_errors_end_with_bad_data_and_name_record_and_byte(data: Data, packed: Path) -> None:
    index = packed / "faces.idx"
    lines = index.read_text().splitlines()
    offset = int(lines[1].split("\t")[1])
    lines[1] = f"2\t{offset + 4}"
    index.write_text("\n".join(lines) + "\n")
    finished = data("check", packed)
    assert finished.returncode == ExitCode.BAD_DATA
    assert f"record 2, byte {offset + 4}: faces.idx line 2 points to byte {offset + 4}" in finished.stdout
    assert f"facejobs data repair {packed}" in finished.stdout
    assert "2 errors, 0 warnings" in finished.stdout


def test_json_holds_the_same(data: Data, packed: Path) -> None:
    (packed / "property").write_text("3,112,112\n")
    finished = data("check", packed, "--json")
    assert finished.returncode == ExitCode.BAD_DATA
    report = json.loads(finished.stdout)
    assert (report["images"], report["identities"], report["errors"], report["warnings"]) == (4, 2, 1, 1)
    assert report["property"] == {"num_classes": 3, "height": 112, "width": 112}
    assert report["images_per_identity"]["histogram"] == [{"least": 2, "most": 4, "identities": 2}]
    assert report["findings"][0] == {
        "severity": "error",
        "kind": "property",
        "message": "property says 3 identities, the .rec has 2 identity records",
        "record": None,
        "offset": None,
    }
    assert {"severity": "warning", "kind": "empty-identity", "count": 1} in report["counts"]


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_the_histogram_fits_a_narrow_terminal_of_any_encoding(packed: Path, encoding: str) -> None:
    environment = {**os.environ, "COLUMNS": "40", "PYTHONIOENCODING": encoding}
    finished = subprocess.run([FACEJOBS, "data", "check", packed], capture_output=True, check=False, env=environment)
    assert (finished.returncode, finished.stderr) == (0, b"")
    lines = finished.stdout.decode(encoding).splitlines()
    (line,) = [line for line in lines if line.lstrip().startswith("2-")]
    full = "█" if encoding == "utf-8" else "#"
    assert line.endswith(f"{full} 2") and line.count(full) == 40 - 14


def test_text_that_the_encoding_lacks_is_no_error(packed: Path) -> None:
    odd = packed.rename(packed.with_name("öut"))
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    finished = subprocess.run([FACEJOBS, "data", "check", odd], capture_output=True, check=False, env=environment)
    assert (finished.returncode, finished.stderr) == (0, b"")
    assert b"?ut/faces.rec" in finished.stdout


def test_markup_in_names_is_shown_as_it_is(data: Data, packed: Path) -> None:
    odd = packed.rename(packed.with_name("[bold]odd[red]"))
    finished = data("check", odd)
    assert finished.returncode == 0 and "[bold]odd[red]" in finished.stdout


@pytest.mark.parametrize("command", ["check", "repair", "unpack"])
@pytest.mark.parametrize("case", ["absent", "file", "no-rec", "empty-rec"])
def test_wrong_directories(data: Data, packed: Path, tmp_path: Path, command: str, case: str) -> None:
    directory = packed
    if case == "absent":
        directory = tmp_path / "absent"
    elif case == "file":
        directory = packed / "faces.rec"
    elif case == "no-rec":
        (packed / "faces.rec").unlink()
    else:
        (packed / "faces.rec").write_bytes(b"")
    finished = data(command, directory, *([tmp_path / "out"] if command == "unpack" else []))
    assert finished.returncode == ExitCode.BAD_DATA
    assert finished.stderr.startswith(f"error: {directory}")
    assert finished.stdout == "" and not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["faces.rec", "faces.idx", "faces.lst", "property"])
@pytest.mark.parametrize("command", ["check", "repair", "unpack"])
def test_a_folder_where_a_file_is_expected(data: Data, packed: Path, tmp_path: Path, command: str, name: str) -> None:
    (packed / name).unlink()
    (packed / name).mkdir()
    finished = data(command, packed, *([tmp_path / "out"] if command == "unpack" else []))
    if command == "repair" and name in ("faces.lst", "property"):
        assert finished.returncode == 0  # it reads neither
        return
    assert finished.returncode == ExitCode.BAD_DATA
    printed = finished.stdout + finished.stderr
    expected = "holds no .rec file" if name == "faces.rec" else f"{packed / name}: is a folder, not a file"
    assert expected in printed.replace("\n", "")
    assert (packed / name).is_dir() and not (tmp_path / "out").exists()


def test_input_that_may_not_be_read_is_bad_data(
    data: Data, packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Root may read everything, so the refusal is the system's in all but its origin.
    opened = Path.open

    def refuse(path: Path, *arguments: object, **options: object) -> object:
        if path.name == "property":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return opened(path, *arguments, **options)

    monkeypatch.setattr(Path, "open", refuse)
    finished = data("unpack", packed, tmp_path / "out")
    assert finished.returncode == ExitCode.BAD_DATA
    assert finished.stderr.startswith(f"error: {packed / 'property'}: permission denied; ")


def test_repair_of_a_lost_index(data: Data, packed: Path) -> None:
    original = (packed / "faces.idx").read_bytes()
    (packed / "faces.idx").unlink()
    lost = data("unpack", packed, packed.parent / "out")
    assert lost.returncode == ExitCode.BAD_DATA and f"facejobs data repair {packed}" in lost.stderr
    assert data("check", packed).returncode == ExitCode.BAD_DATA
    finished = data("repair", packed)
    assert finished.returncode == 0
    assert "7 records (4 images, 3 identity records), numbered as their headers say" in finished.stdout
    assert (packed / "faces.idx").read_bytes() == original
    assert "right already" in data("repair", packed).stdout


def test_truncated_records(data: Data, packed: Path) -> None:
    rec = packed / "faces.rec"
    rec.write_bytes(rec.read_bytes()[:-3000])
    checked = data("check", packed)
    assert checked.returncode == ExitCode.BAD_DATA
    assert "truncated or damaged at its end, 3 records are whole" in checked.stdout
    assert data("unpack", packed, packed.parent / "out").returncode == ExitCode.BAD_DATA
    repaired = data("repair", packed)
    assert repaired.returncode == 0 and "hold no whole record" in repaired.stderr
    assert f"the old index is {packed / 'faces.idx.bak'}" in repaired.stdout
    unpacked = data("unpack", packed, packed.parent / "out")
    assert unpacked.returncode == 0 and "3 images of 2 identities" in unpacked.stdout
    assert "passed over 1 line of the .lst, about images that the .rec does not hold" in unpacked.stderr


def test_existing_outputs_are_refused(data: Data, packed: Path, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in packed.iterdir()}
    for command in (("pack", tmp_path / "faces", packed), ("unpack", packed, packed)):
        finished = data(*command)
        assert finished.returncode == ExitCode.OUTPUT_REFUSED and "exists already" in finished.stderr
    assert {path: path.read_bytes() for path in packed.iterdir()} == before


def test_unpack_gives_the_folder_back(data: Data, packed: Path, tmp_path: Path) -> None:
    finished = data("unpack", packed, tmp_path / "again")
    assert finished.returncode == 0 and "4 images of 2 identities, 4 named by the .lst" in finished.stdout
    for path in (tmp_path / "faces").rglob("*.jpg"):
        assert (tmp_path / "again" / path.relative_to(tmp_path / "faces")).read_bytes() == path.read_bytes()


def test_pack_tells_what_it_skipped_and_what_is_unfit(data: Data, packed: Path, tmp_path: Path) -> None:
    (tmp_path / "faces" / "nobody").mkdir()
    (tmp_path / "faces" / "ann" / "notes.txt").touch()
    finished = data("pack", tmp_path / "faces", tmp_path / "second")
    assert finished.returncode == 0
    assert (
        "skipped 1 file not named" in finished.stderr and "skipped 1 folder without an image: nobody" in finished.stderr
    )
    refused = data("pack", tmp_path / "faces", tmp_path / "third", "--size", 96)
    assert refused.returncode == ExitCode.BAD_DATA and "is 112x112 pixels, not 96x96" in refused.stderr
    assert not (tmp_path / "third").exists()
    assert data("pack", tmp_path / "faces", tmp_path / "third", "--size", 0).returncode == ExitCode.USAGE


def test_pack_counts_all_that_it_passes_over(data: Data, packed: Path, tmp_path: Path) -> None:
    ann = tmp_path / "faces" / "ann"
    (ann / "._1.jpg").write_bytes(b"not an image")
    (ann / "lost.jpg").symlink_to(tmp_path / "nowhere.jpg")
    os.mkfifo(ann / "pipe.jpg")
    for deep in (ann / "more" / "even" / "3.jpg", tmp_path / "faces" / ".hidden" / "4.jpg"):
        deep.parent.mkdir(parents=True)
        deep.write_bytes((ann / "1.jpg").read_bytes())
    finished = data("pack", tmp_path / "faces", tmp_path / "second")
    assert finished.returncode == 0
    assert ": 4 images of 2 people\n" in finished.stdout
    assert finished.stderr.startswith("skipped 5 files not named as PERSON/NAME.jpg")
    assert (tmp_path / "second" / "faces.rec").read_bytes() == (packed / "faces.rec").read_bytes()


def test_the_installed_command_does_the_same_without_a_traceback(data: Data, packed: Path) -> None:
    (packed / "faces.idx").write_bytes(b"")
    finished = subprocess.run([FACEJOBS, "data", "check", packed], capture_output=True, text=True, check=False)
    assert finished.returncode == ExitCode.BAD_DATA and finished.stderr == ""
    assert finished.stdout == data("check", packed).stdout
