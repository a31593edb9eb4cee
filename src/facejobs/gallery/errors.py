"""Errors about galleries of known people."""

from facejobs.errors import ExitCode, FacejobsError


class GalleryError(FacejobsError):
    """A gallery is missing, damaged, made by other models, or cannot be changed as asked."""

    exit_code = ExitCode.GALLERY
