"""Settings MXNet reads once, when it is loaded: they let two CPU contexts stand in for two GPUs.

CPU contexts share a ring of workspaces, and the two halves of a synchronised batch norm must not hold the same one.
"""

import os

os.environ["MXNET_CPU_TEMP_COPY"] = "4096"
os.environ["MXNET_CPU_WORKER_NTHREADS"] = "2"
