"""facejobs: containerised cloud training jobs for face detection and face recognition."""

import os

__version__ = "0.1.0"

# ONNX Runtime reads it when imported; without it, its wheel notes usage and a device number in ~/.cache/Microsoft.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
