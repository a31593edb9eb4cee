"""What tests of images share."""

import sys
from pathlib import Path

import pytest

# Test folders are no packages, so what tests here share is found by its folder.
sys.path.insert(0, str(Path(__file__).parent))
from fake_programs import empty_path


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder that is searched for programs, empty."""
    return empty_path(tmp_path, monkeypatch)
