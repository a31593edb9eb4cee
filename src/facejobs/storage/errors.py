"""What can go wrong between this machine and the place where data is kept."""

from facejobs.errors import ExitCode, FacejobsError


class StorageError(FacejobsError):
    """A store that cannot be used: a bad URL or key, a refused request, a full bucket."""

    exit_code = ExitCode.STORAGE


class NotFoundError(StorageError):
    """The object, the file or the bucket is not there."""


class AccessError(StorageError):
    """The store refuses who asks: no credentials, wrong ones, expired ones, or no right to do this."""


class UnreachableError(StorageError):
    """No answer, or only answers that say to come back later, after every retry."""


class CorruptError(StorageError):
    """What arrived is not what was sent: another length, another digest, or changed under way."""


class UploadError(StorageError):
    """An upload of a job's output that is not proven to have arrived wholly."""

    exit_code = ExitCode.UPLOAD_FAILED


class DownloadError(StorageError):
    """An input of a job that could not be fetched wholly."""

    exit_code = ExitCode.DOWNLOAD_FAILED
