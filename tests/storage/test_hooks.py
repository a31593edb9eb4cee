"""dls_get_app and dls_upload_model as a shell script calls them: never a silent success."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

COMMAND = "import sys; from facejobs.storage.hooks import {0}; sys.argv[0] = '{0}'; {0}()"


def call(hook: str, *arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", COMMAND.format(hook), *map(str, arguments)],
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "code" / "package").mkdir(parents=True)
    (tmp_path / "code" / "train.py").write_text("print('trained')")
    (tmp_path / "code" / "package" / "net.py").write_text("")
    return tmp_path


def test_code_and_output_go_both_ways(folder: Path) -> None:
    environment = {
        "FACEJOBS_WORK": str(folder / "work"),
        "DLS_APP_URL": str(folder / "code"),
        "DLS_TRAIN_URL": str(folder / "out"),
    }
    assert call("dls_get_app", **environment).returncode == 0
    assert (folder / "work/app/package/net.py").exists()
    assert (folder / "work/app/train.py").read_text() == "print('trained')"
    (folder / "work/output/model").mkdir()
    (folder / "work/output/model/model.onnx").write_text("onnx")
    assert call("dls_upload_model", **environment).returncode == 0
    assert (folder / "out/model/model.onnx").read_text() == "onnx"
    assert (folder / "out/outputs.json").exists()


def test_one_file_is_an_input_too(folder: Path) -> None:
    result = call(
        "dls_get_app", FACEJOBS_WORK=str(folder / "work"), DLS_APP_URL=str(folder / "code" / "train.py")
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert (folder / "work/app").read_text() == "print('trained')"


@pytest.mark.parametrize("url", ["/no/such/code", "ftp://host/code", "s3://b"])
def test_code_that_cannot_be_fetched_is_127(folder: Path, url: str) -> None:
    result = call("dls_get_app", FACEJOBS_WORK=str(folder / "work"), DLS_APP_URL=url)
    assert result.returncode == 127
    assert url in result.stderr and "Traceback" not in result.stderr


def test_a_source_and_a_url_may_be_named(folder: Path) -> None:
    assert call("dls_upload_model", folder / "code", folder / "there").returncode == 0
    assert (folder / "there/package/net.py").exists()


@pytest.mark.parametrize(
    ("arguments", "said"), [((), "DLS_TRAIN_URL"), (("/no/such/folder", "/tmp/x"), "no folder /no/such/folder")]
)
def test_nothing_to_upload_or_nowhere_to_is_9(folder: Path, arguments: tuple[str, ...], said: str) -> None:
    result = call("dls_upload_model", *arguments, FACEJOBS_WORK=str(folder / "work"))
    assert result.returncode == 9
    assert said in result.stderr


def test_a_store_that_cannot_be_written_is_9(folder: Path) -> None:
    (folder / "file").write_text("no folder")
    result = call("dls_upload_model", folder / "code", folder / "file")
    assert result.returncode == 9 and "Traceback" not in result.stderr
    assert (folder / "file").read_text() == "no folder"


@pytest.mark.parametrize("hook", ["dls_get_app", "dls_upload_model"])
def test_usage(hook: str) -> None:
    assert call(hook, "--help").returncode == 0
    result = call(hook, "a", "b", "c")
    assert result.returncode == 2 and f"usage: {hook}" in result.stderr


def test_a_work_folder_of_somebody_else_is_refused(folder: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can give a folder away")
    work = folder / "work"
    work.mkdir()
    os.chown(work, 12345, 12345)
    result = call("dls_get_app", FACEJOBS_WORK=str(work))
    assert result.returncode == 127 and "12345" in result.stderr
