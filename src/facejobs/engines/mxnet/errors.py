"""Errors of the MXNet engine."""

from facejobs.errors import ExitCode, FacejobsError


class EngineError(FacejobsError):
    """MXNet, or a package beside it, cannot be used on this machine."""

    exit_code = ExitCode.DEVICE


class DeviceError(EngineError):
    """The device asked for cannot be had."""


class ExportError(FacejobsError):
    """The exported model is not equal to the trained net."""

    exit_code = ExitCode.BAD_MODEL
