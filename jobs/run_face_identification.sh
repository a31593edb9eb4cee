#!/bin/sh
# Measure how well people are identified:
# sh jobs/run_face_identification.sh gallery_path query_path detect_model_path recognize_model_path results_path
set -eu

if [ "$#" -lt 5 ]; then
    cat >&2 <<'USAGE'
usage: sh run_face_identification.sh gallery_path query_path detect_model_path recognize_model_path results_path
                                     [--name value ...]
  gallery_path          gallery, or folder with a folder of photographs for each person to enrol
  query_path            folder with a folder of other photographs for each person, and of strangers, such as unknown
  detect_model_path     model folder of a detector, or the output of its training
  recognize_model_path  model folder of a recogniser, or the output of its training
  results_path          new folder for metrics, searches, people.csv and pictures
                        each path may be a local one, s3://bucket/folder or obs://bucket/folder
  --name value          options of `facejobs evaluate identification`
USAGE
    exit 2
fi

jobs=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
# shellcheck source=jobs/boot_paths.sh
. "$jobs/boot_paths.sh"
run_with_remote_paths 'gallery:in query:in detector:in recogniser:in results:out' "$jobs/${0##*/}" "$@"
# shellcheck source=jobs/boot_facejobs.sh
. "$jobs/boot_facejobs.sh"
find_facejobs "$(dirname -- "$jobs")"
# shellcheck source=jobs/boot_output.sh
. "$jobs/boot_output.sh"
begin_output_anew "$5"

gallery=$1 query=$2 detector=$3 recogniser=$4 results=$5
shift 5
exec "$facejobs" evaluate identification "$gallery" "$query" "$detector" "$recogniser" --out "$results" "$@"
