#!/bin/sh
# Make a gallery of known people:
# sh jobs/run_generate_data_base.sh data_path detect_model_path recognize_model_path db_output_path [--name value ...]
set -eu

if [ "$#" -lt 4 ]; then
    cat >&2 <<'USAGE'
usage: sh run_generate_data_base.sh data_path detect_model_path recognize_model_path db_output_path [--name value ...]
  data_path             folder with a folder of photographs for each person, its name the person's
  detect_model_path     model folder of a detector with landmarks, or the output of its training
  recognize_model_path  model folder of a recogniser, or the output of its training
  db_output_path        new folder for the gallery and its report
                        each path may be a local one, s3://bucket/folder or obs://bucket/folder
  --name value          options of `facejobs gallery build`, such as --max-blur
USAGE
    exit 2
fi

jobs=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
# shellcheck source=jobs/boot_paths.sh
. "$jobs/boot_paths.sh"
run_with_remote_paths 'data:in detector:in recogniser:in gallery:out' "$jobs/${0##*/}" "$@"
# shellcheck source=jobs/boot_facejobs.sh
. "$jobs/boot_facejobs.sh"
find_facejobs "$(dirname -- "$jobs")"
# shellcheck source=jobs/boot_output.sh
. "$jobs/boot_output.sh"
begin_output_anew "$4"

exec "$facejobs" gallery build "$@"
