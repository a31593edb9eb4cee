"""Fixtures shared by all tests."""

import os
from pathlib import Path

import hypothesis
import pytest

# How long an example takes says more about the machine than about the code.
hypothesis.settings.register_profile("facejobs", deadline=None)
hypothesis.settings.load_profile("facejobs")

_REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real photographs; the test skips, saying so, where it is absent."""
    folder = Path(os.environ.get("FACEJOBS_TEST_DATA", _REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"real photographs are absent: {folder} (set FACEJOBS_TEST_DATA)")
    return folder
