"""facejobs: containerised cloud training jobs for face detection and face recognition."""

__version__ = "0.1.0"
