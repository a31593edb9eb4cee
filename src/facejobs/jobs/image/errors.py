"""What can go wrong between an image and its registry."""

from facejobs.jobs.errors import JobError


class ImageError(JobError):
    """An image cannot be built, pushed, or asked for; what it is remains unknown."""


class ImageRefusedError(ImageError):
    """The image is known not to do: it is not there any more, of another architecture, or without the entry point."""
