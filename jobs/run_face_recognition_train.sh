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

repository=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
# shellcheck source=jobs/boot_paths.sh
. "$repository/jobs/boot_paths.sh"
run_with_remote_paths 'data:in model:out' "$repository/jobs/${0##*/}" "$@"

facejobs=$repository/.venv/bin/facejobs
if [ ! -x "$facejobs" ]; then
    facejobs=$(command -v facejobs) || {
        echo "error: facejobs is not installed: run 'make setup' in $repository first" >&2
        exit 1
    }
fi

own_recipe=false
for argument; do
    case $argument in --recipe | --recipe=*) own_recipe=true ;; esac
done
if [ "$own_recipe" = false ]; then
    set -- "$@" --recipe "$repository/jobs/face-recognition.yaml"
fi
# exec: signals (SIGTERM saves a checkpoint) reach the training process itself.
exec "$facejobs" train recognition "$@"
