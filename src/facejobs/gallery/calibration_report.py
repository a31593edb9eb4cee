"""A calibration as a folder to keep: calibration.json, trials.npz and the reliability picture."""

import json
from io import BytesIO
from pathlib import Path

import numpy as np

from facejobs.evaluation.accept_threshold import IdentificationTrials
from facejobs.evaluation.match_probability import Reliability
from facejobs.evaluation.reliability_picture import draw_reliability
from facejobs.gallery.calibration import Calibration


def save_calibration(
    folder: Path, calibration: Calibration, trials: IdentificationTrials, reliability: Reliability | None
) -> None:
    """Write into the empty folder `folder`; there is no picture where there are too few people. Raises OSError.

    trials.npz holds `known`, `known_right`, `known_people`, `strangers` and `stranger_people` as IdentificationTrials.
    """
    text = json.dumps(calibration.model_dump(mode="json"), indent=2, allow_nan=False) + "\n"
    (folder / "calibration.json").write_text(text, encoding="utf-8")
    # In memory first: on a full disk zipfile would print what it cannot close.
    arrays = BytesIO()
    np.savez_compressed(
        arrays,
        known=trials.known,
        known_right=trials.known_right,
        known_people=trials.known_people,
        strangers=trials.strangers,
        stranger_people=trials.stranger_people,
    )
    (folder / "trials.npz").write_bytes(arrays.getbuffer())
    if reliability is not None:
        found = calibration.threshold
        others = "known people against everybody else" if found.known_as_strangers else "strangers"
        title = (
            f"{found.known_faces:,} faces of {found.known_people:,} known people and {found.stranger_faces:,} of "
            f"{found.strangers:,} {others}\n"
            f"Platt scaling for people left out of the fit ({calibration.source}, rule {calibration.rule})"
        )
        draw_reliability(reliability, title, folder / "reliability.png")
