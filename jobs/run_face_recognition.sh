#!/bin/sh
# Say who is in photographs:
# sh jobs/run_face_recognition.sh data_path db_path detect_model_path recognize_model_path [results_path] [--name value ...]
set -eu

if [ "$#" -lt 4 ]; then
    cat >&2 <<'USAGE'
usage: sh run_face_recognition.sh data_path db_path detect_model_path recognize_model_path [results_path]
                                  [--name value ...]
  data_path             photograph, or folder of photographs
  db_path               gallery of known people, which these models made
  detect_model_path     model folder of a detector, or the output of its training
  recognize_model_path  model folder of a recogniser, or the output of its training
  results_path          new folder for results.jsonl and results.csv; recognition-results in the current one if left out
                        each path may be a local one, s3://bucket/folder or obs://bucket/folder
  --name value          options of `facejobs recognise`, such as --threshold; --draw, which has no value
USAGE
    exit 2
fi

case ${5-} in
'' | -*)
    data=$1 gallery=$2 detector=$3 recogniser=$4
    shift 4
    if [ "$#" -gt 0 ] && [ -z "$1" ]; then
        shift
    fi
    set -- "$data" "$gallery" "$detector" "$recogniser" recognition-results "$@"
    ;;
esac

jobs=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
# shellcheck source=jobs/boot_paths.sh
. "$jobs/boot_paths.sh"
run_with_remote_paths 'data:in gallery:in detector:in recogniser:in results:out' "$jobs/${0##*/}" "$@"
# shellcheck source=jobs/boot_facejobs.sh
. "$jobs/boot_facejobs.sh"
find_facejobs "$(dirname -- "$jobs")"
# shellcheck source=jobs/boot_output.sh
. "$jobs/boot_output.sh"
begin_output_anew "$5"

# exec: signals reach the process itself, which removes unfinished results.
exec "$facejobs" recognise "$@"
