# shellcheck shell=sh
# Sourced by the training scripts of jobs/, which differ in their task and their recipe only.

# train_task TASK RECIPE SCRIPT data_path model_output_path [--name value ...]
#
# Becomes `facejobs train TASK`, with the parameters of RECIPE unless another one is named; or, if one of the paths is a
# URL, run_train.sh, which runs SCRIPT again with local ones.
train_task() {
    task=$1
    recipe=$2
    script=$3
    shift 3
    repository=$(dirname -- "$(dirname -- "$script")")
    # shellcheck source=jobs/boot_paths.sh
    . "$repository/jobs/boot_paths.sh"
    run_with_remote_paths 'data:in model:out' "$script" "$@"

    # shellcheck source=jobs/boot_facejobs.sh
    . "$repository/jobs/boot_facejobs.sh"
    find_facejobs "$repository"

    own_recipe=false
    for argument; do
        case $argument in --recipe | --recipe=*) own_recipe=true ;; esac
    done
    if [ "$own_recipe" = false ]; then
        set -- "$@" --recipe "$recipe"
    fi
    # exec: signals (SIGTERM saves a checkpoint) reach the training process itself.
    exec "$facejobs" train "$task" "$@"
}
