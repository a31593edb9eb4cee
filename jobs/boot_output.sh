# shellcheck shell=sh
# Sourced by the scripts of jobs/ whose command makes its output in one go and writes over nothing.

# begin_output_anew PATH
#
# In a job's own work folder, what an earlier attempt left of its output is removed, so that another attempt can begin.
# Any other PATH is somebody's, and stays as it is.
begin_output_anew() {
    if [ -n "${FACEJOBS_WORK-}" ] && [ "$1" = "$FACEJOBS_WORK/output" ] && [ -d "$1" ]; then
        find "$1" -mindepth 1 -delete
    fi
}
