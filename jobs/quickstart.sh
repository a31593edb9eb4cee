#!/bin/sh
# From nothing to a measured, exported recogniser of drawn faces: sh jobs/quickstart.sh folder
# Started again in the same folder, it goes on where it was.
set -eu

if [ "$#" -ne 1 ]; then
    echo 'usage: sh quickstart.sh folder' >&2
    exit 2
fi
folder=$1
faces=$folder/faces
run=$folder/run
began=$(date +%s)

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
facejobs=$here/../.venv/bin/facejobs
if [ ! -x "$facejobs" ]; then
    facejobs=$(command -v facejobs) || {
        echo "error: facejobs is not installed: run 'make setup' in ${here%/jobs} first" >&2
        exit 1
    }
fi

mkdir -p "$folder"
echo '1. Drawing faces of people who do not exist'
if [ ! -d "$faces" ]; then
    "$facejobs" data synth "$faces"
fi

echo '2. Training a recogniser on them'
sh "$here/run_face_recognition_train.sh" "$faces/recognition_train_data" "$run" \
    --backbone mobilefacenet --embedding-size 128 --loss cosface --margin 0.1 --scale 24 --batch-size 32 \
    --optimizer adam --lr 0.002 --weight-decay 0 --gradient-clip 0 --warmup-steps 20 --max-steps 130 --shift 2

echo '3. Measuring the exported model on pairs of people it has never seen (guessing would be right half of the time)'
"$facejobs" evaluate verification "$run/model" "$faces/verification/synthetic"

cat <<TABLE

faces       $faces
model       $run/model/model.onnx ($(($(wc -c <"$run/model/model.onnx") / 1024)) KiB), described by model.json
ROC curve   $run/roc-synthetic.png
journal     $run/metrics.jsonl ($(wc -l <"$run/metrics.jsonl") lines)
pictures    $faces/verification/synthetic (faces)  $faces/photographs (labelled scenes)
time        $(($(date +%s) - began)) s
TABLE
