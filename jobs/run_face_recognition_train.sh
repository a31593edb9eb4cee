#!/bin/sh
# Train a face recogniser: sh jobs/run_face_recognition_train.sh data_path model_output_path [--name value ...]
set -eu

if [ "$#" -lt 2 ]; then
    cat >&2 <<'USAGE'
usage: sh run_face_recognition_train.sh data_path model_output_path [--name value ...]
  data_path          folder with one .rec, its .idx and property (recognition_train_data)
  model_output_path  folder for checkpoints, the metrics journal and the model; the same command resumes a stopped run
                     each path may be a local one, s3://bucket/folder or obs://bucket/folder
  --name value       training parameters: facejobs train recognition --help lists them; what is not given comes from
                     the recipe jobs/face-recognition.yaml, or from the one that --recipe names
USAGE
    exit 2
fi

jobs=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
# shellcheck source=jobs/boot_training.sh
. "$jobs/boot_training.sh"
train_task recognition "$jobs/face-recognition.yaml" "$jobs/${0##*/}" "$@"
