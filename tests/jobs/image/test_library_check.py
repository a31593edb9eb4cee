import subprocess
from pathlib import Path

import pytest

from facejobs.jobs.errors import JobError
from facejobs.jobs.image import library_check
from facejobs.jobs.image.library_check import main, mxnet_libraries, resolve_libraries


def library(path: Path, *needs: str) -> Path:
    """A shared library that needs others, which the loader does not find."""
    source = path.with_suffix(".c")
    source.write_text("int nothing;")
    for need in needs:
        made = path.parent / "needed" / need
        made.parent.mkdir(exist_ok=True)
        subprocess.run(["cc", "-shared", "-o", made, f"-Wl,-soname,{need}", source], check=True)
    needed = [path.parent / "needed" / need for need in needs]
    subprocess.run(["cc", "-shared", "-Wl,--no-as-needed", "-o", path, source, *needed], check=True)
    return path


@pytest.fixture
def compiler() -> None:
    if subprocess.run(["sh", "-c", "command -v cc"], capture_output=True).returncode:
        pytest.skip("no C compiler (apt-get install gcc)")


def test_mxnet_here_has_all_it_needs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main() == 0
    assert "libgomp.so.1 => /" in capsys.readouterr().out


@pytest.mark.parametrize(("name", "code"), [("libnccl.so.2", 1), ("libcuda.so.1", 0)])
def test_missing_library_is_named_but_the_drivers(compiler, tmp_path, monkeypatch, capsys, name, code) -> None:
    made = library(tmp_path / "libmxnet.so", name)
    monkeypatch.setattr(library_check, "mxnet_libraries", lambda: [made])
    assert resolve_libraries([made]).missing == {name: ["libmxnet.so"]}
    assert main() == code
    said = capsys.readouterr()
    assert ("error: libnccl.so.2 is missing, which libmxnet.so needs" in said.err) is (code == 1)
    assert ("libcuda.so.1 comes with the NVIDIA driver" in said.out) is (code == 0)


def test_file_that_is_no_library_is_said(tmp_path: Path) -> None:
    path = tmp_path / "libmxnet.so"
    path.write_bytes(b"\x7fELF, cut off")
    with pytest.raises(JobError, match="is no library of this machine"):
        resolve_libraries([path])


def test_no_mxnet_is_said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(library_check, "find_spec", lambda name: None)
    with pytest.raises(JobError, match="MXNet is not installed here"):
        mxnet_libraries()
    assert main() == 11
    assert "error: MXNet is not installed here" in capsys.readouterr().err
