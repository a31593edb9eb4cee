"""Fixtures shared by all tests."""

import os
import signal
from collections.abc import Iterator
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


@pytest.fixture(autouse=True)
def _signal_handlers() -> Iterator[None]:
    """A training that was asked to stop ignores signals from then on; the tests after it must not."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
