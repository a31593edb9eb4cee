"""Errors about measuring a model."""

from facejobs.errors import ExitCode, FacejobsError


class EvaluationError(FacejobsError):
    """What a model gave cannot be measured: it is not finite, vanishes, or has the wrong shape."""

    exit_code = ExitCode.BAD_MODEL
