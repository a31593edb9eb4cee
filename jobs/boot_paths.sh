# shellcheck shell=sh
# Sourced by the scripts of jobs/, so that each of their paths may be an s3:// or obs:// URL.

# run_with_remote_paths 'NAME:in NAME:out ...' SCRIPT ARGUMENT...
#
# The first arguments are paths, as the roles name them; what follows is left as it is. If one of the paths is a URL,
# this becomes run_train.sh, which fetches the inputs, runs SCRIPT again with paths in its work folder, uploads the
# output while it runs, verifies it at the end, and removes the work folder after a success. Otherwise it returns. The
# same command resumes what was stopped.
run_with_remote_paths() {
    roles=$1
    script=$2
    shift 2
    digest=$(printf '%s\n' "${S3_ENDPOINT-}" "$script" "$@" | cksum | tr -s ' ' -)
    work=${FACEJOBS_WORK:-${TMPDIR:-/tmp}}/facejobs-$(id -u)-$digest
    inputs=''
    output=''
    remote=false
    left=$#
    while [ "$left" -gt 0 ]; do
        path=$1
        shift
        left=$((left - 1))
        role=${roles%% *}
        case $roles in *' '*) roles=${roles#* } ;; *) roles='' ;; esac
        case $role$path in
        *:ins3:/[!/]* | *:inobs:/[!/]* | *:outs3:/[!/]* | *:outobs:/[!/]*)
            echo "error: $path is no URL: write ${path%%:*}://${path#*:/}" >&2
            exit 2
            ;;
        *:ins3://* | *:inobs://*)
            remote=true
            name=${role%:in}
            inputs="$inputs${inputs:+, }\"$name\": \"$(printf %s "$path" | sed 's/[\\"]/\\&/g')\""
            path=$work/inputs/$name
            ;;
        *:outs3://* | *:outobs://*)
            remote=true
            output=$path
            path=$work/output
            ;;
        esac
        set -- "$@" "$path"
    done
    if [ "$remote" = false ]; then
        return 0
    fi
    # Only what this script was told counts, not the job that it may be the command of.
    unset DLS_APP_URL DLS_DATA_URL DLS_TRAIN_URL DLS_UPLOAD_LOG_OBS_DIR FACEJOBS_VERSION_URL FACEJOBS_OUTPUT_URL \
        FACEJOBS_ATTEMPT FACEJOBS_ATTEMPTS FACEJOBS_TIME_LIMIT
    if [ -n "$output" ]; then
        export DLS_TRAIN_URL="$output"
    fi
    mkdir -p "$work/tmp"
    export FACEJOBS_WORK="$work" FACEJOBS_INPUTS="{$inputs}" FACEJOBS_REMOVE_WORK=1 TMPDIR="$work/tmp"
    exec bash "$(dirname -- "$script")/../run_train.sh" sh "$script" "$@"
}
