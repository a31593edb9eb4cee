"""Errors about measuring a model."""

from facejobs.errors import ExitCode, FacejobsError


class EvaluationError(FacejobsError):
    """The model's embeddings cannot be measured: they are not finite, vanish, or have the wrong shape."""

    exit_code = ExitCode.BAD_MODEL
