# shellcheck shell=sh
# Sourced by the scripts of jobs/.

# find_facejobs REPOSITORY
#
# Sets `facejobs` to the program of the repository's environment, else to the one on the path; ends with 1 without one.
find_facejobs() {
    facejobs=$1/.venv/bin/facejobs
    if [ ! -x "$facejobs" ]; then
        facejobs=$(command -v facejobs) || {
            echo "error: facejobs is not installed: run 'make setup' in $1 first" >&2
            exit 1
        }
    fi
}
