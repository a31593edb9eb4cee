"""facejobs: containerised cloud training jobs for face detection and face recognition."""

import os

__version__ = "0.1.0"

# ONNX Runtime reads it when it is imported. Otherwise its wheel notes usage and a device number below ~/.cache/Microsoft.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
