"""Errors about galleries of known people."""

from facejobs.errors import ExitCode, FacejobsError


class GalleryError(FacejobsError):
    """A gallery is missing, damaged, made by other models, or cannot be changed as asked."""

    exit_code = ExitCode.GALLERY


class ReportError(FacejobsError):
    """The report of a gallery cannot be written, and the gallery itself is as it should be."""

    exit_code = ExitCode.WRITE_FAILED
