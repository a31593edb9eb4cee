"""Errors about training runs."""

from facejobs.errors import ExitCode, FacejobsError


class ParameterError(FacejobsError):
    """A training parameter is unknown, misspelt or out of range."""

    exit_code = ExitCode.USAGE


class RunFolderError(FacejobsError):
    """The output folder cannot take this run."""

    exit_code = ExitCode.OUTPUT_REFUSED


class ToolError(FacejobsError):
    """A program that training needs is missing, or failed."""

    exit_code = ExitCode.DEVICE


class CheckpointError(FacejobsError):
    """A checkpoint is damaged or belongs to something else."""

    exit_code = ExitCode.BAD_MODEL


class DivergedError(FacejobsError):
    """The loss or a gradient is no longer a usable number."""

    exit_code = ExitCode.DIVERGED


class WorkerLostError(FacejobsError):
    """A worker of a training on several nodes did not come, or is gone."""

    exit_code = ExitCode.WORKER_LOST


class HangError(FacejobsError):
    """Training makes no progress."""

    exit_code = ExitCode.HANG
