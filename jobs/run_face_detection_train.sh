#!/bin/sh
# Train a face detector: sh jobs/run_face_detection_train.sh data_path model_output_path [--name value ...]
set -eu

if [ "$#" -lt 2 ]; then
    cat >&2 <<'USAGE'
usage: sh run_face_detection_train.sh data_path model_output_path [--name value ...]
  data_path          folder with train, val and test, each with images/ and label.txt (detection_train_data); train will
                     do, and so will a single split
  model_output_path  folder for checkpoints, the metrics journal and the model; the same command resumes a stopped run
                     each path may be a local one, s3://bucket/folder or obs://bucket/folder
  --name value       training parameters: facejobs train detection --help lists them; what is not given comes from
                     the recipe jobs/face-detection.yaml, or from the one that --recipe names
USAGE
    exit 2
fi

jobs=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
# shellcheck source=jobs/boot_training.sh
. "$jobs/boot_training.sh"
train_task detection "$jobs/face-detection.yaml" "$jobs/${0##*/}" "$@"
