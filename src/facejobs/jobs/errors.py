"""What can go wrong in the job plane."""

from facejobs.errors import ExitCode, FacejobsError

# Of whatever file of a version cannot be understood.
WHAT_TO_DO = "; restore it from a copy, or remove the version with `facejobs delete JOB V --force`"


class JobError(FacejobsError):
    """A job, a version or its backend cannot do what was asked."""

    exit_code = ExitCode.JOB


class BackendUnreachableError(JobError):
    """A backend does not answer, which may pass; its jobs go on."""


class InputMissingError(JobError):
    """An input of a job is not there, or is empty."""

    exit_code = ExitCode.BAD_DATA


class OutputExistsError(JobError):
    """What would be written exists already."""

    exit_code = ExitCode.OUTPUT_REFUSED


class SpecError(JobError):
    """A job spec, or a change of one, is not valid; names file and line where there is a file."""

    exit_code = ExitCode.USAGE


class VersionNotFoundError(JobError):
    """No such job, or no such version of it."""


class VersionDamagedError(JobError):
    """A file of the version store does not hold what it should."""
