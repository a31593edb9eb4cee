#!/bin/sh
# From nothing to two measured versions of a recogniser of drawn faces, compared: sh jobs/quickstart.sh folder
# Started again in the same folder, it makes two more versions.
set -eu

if [ "$#" -ne 1 ]; then
    echo 'usage: sh quickstart.sh folder' >&2
    exit 2
fi
began=$(date +%s)
repository=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
facejobs=$repository/.venv/bin/facejobs
if [ ! -x "$facejobs" ]; then
    facejobs=$(command -v facejobs) || {
        echo "error: facejobs is not installed: run 'make setup' in $repository first" >&2
        exit 1
    }
fi

mkdir -p "$1"
folder=$(CDPATH='' cd -- "$1" && pwd)
faces=$folder/faces
report=$folder/report.html
export FACEJOBS_STORE="$folder/store"
cd "$repository"

version_of() { sed -n 's/.*"version": "\(V[0-9]*\)".*/\1/p' | head -n 1; }

# A job outlives the command line; this one was made for the demonstration only.
running=''
stop_running() {
    trap - INT TERM
    [ -z "$running" ] || "$facejobs" stop quickstart "$running"
    exit 130
}
trap stop_running INT TERM

echo '1. Drawing faces of people who do not exist'
if [ ! -d "$faces" ]; then
    "$facejobs" data synth "$faces"
fi

echo '2. Training a recogniser on them: a job, kept as a numbered version'
first=$("$facejobs" submit jobs/quickstart.yaml -i "data=$faces/recognition_train_data" --json | version_of)
running=$first
"$facejobs" wait quickstart "$first"

echo '3. A new version of it, with one parameter changed: twice the learning rate'
second=$("$facejobs" modify quickstart "$first" -p lr=0.002 --json | version_of)
running=$second
"$facejobs" wait quickstart "$second"
running=''

echo '4. Did the change matter? Measured on pairs of drawn people never seen in training; guessing is right half of the time'
"$facejobs" compare quickstart "$first" "$second" --html "$report"

cat <<TABLE

report      $report   (open it in a browser)
versions    facejobs versions quickstart --store $FACEJOBS_STORE
models      $FACEJOBS_STORE/jobs/quickstart/$first/model  …/$second/model
ROC curve   $FACEJOBS_STORE/jobs/quickstart/$first/roc-synthetic.png
pictures    $faces/verification/synthetic (faces)  $faces/photographs (labelled scenes)
time        $(($(date +%s) - began)) s
TABLE
