"""Renews `heartbeat.json` of the version while the task lives, so that other machines can tell."""

import logging
import time
from threading import Thread

from facejobs.jobs.liveness import HEARTBEAT_SECONDS, beat
from facejobs.storage.errors import StorageError
from facejobs.storage.store import ObjectStore

log = logging.getLogger(__name__)


class Heartbeat:
    """A thread that writes every `HEARTBEAT_SECONDS` while this process lives; a store that is away is no error."""

    def __init__(self, version: ObjectStore) -> None:
        self._version = version
        self._thread = Thread(target=self._run, name="heartbeat", daemon=True)

    def start(self) -> None:
        """Begin with a heartbeat now."""
        self._thread.start()

    def _run(self) -> None:
        failing = False
        while True:
            try:
                beat(self._version)
                failing = False
            except (StorageError, OSError) as error:
                if not failing:
                    log.warning("the heartbeat could not be written: %s", error)
                failing = True
            time.sleep(HEARTBEAT_SECONDS)
