"""Errors about face data and published models."""

from facejobs.errors import ExitCode, FacejobsError


class DataError(FacejobsError):
    """The data a user brought cannot be used as it is."""

    exit_code = ExitCode.BAD_DATA


class RequestError(DataError):
    """What was asked for cannot be made from any data: a count or a seed out of range."""

    exit_code = ExitCode.USAGE


class OutputExistsError(FacejobsError):
    """Writing would destroy something that is already there."""

    exit_code = ExitCode.OUTPUT_REFUSED


class ModelError(FacejobsError):
    """A published model is missing, damaged, or not what its description says."""

    exit_code = ExitCode.BAD_MODEL
