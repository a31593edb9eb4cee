# The training image: Python 3.11 on Debian bookworm with the pinned packages, and run_train.sh where ModelArts expects it.
# docs/how-to/build-and-push-the-image.md says how to build it, docs/reference/image.md what is in it.
#
# BASE_IMAGE is any Debian bookworm; its own Python 3.11 is used where it has one, Debian's is installed otherwise.
ARG BASE_IMAGE=debian:bookworm-slim
# hadolint ignore=DL3006
FROM ${BASE_IMAGE}

# gpu: MXNet for CUDA 11.2 and the CUDA libraries it needs; the driver comes from the machine. cpu: MXNet for the CPU.
ARG DEVICE=gpu

# Debian keeps only the newest version of a package, so a pinned one would soon be gone (DL3008).
# The secret pip.conf is optional: an index of one's own, for the time of the build only.
# hadolint ignore=DL3008
RUN --mount=type=bind,source=requirements.txt,target=/tmp/requirements/gpu.txt \
    --mount=type=bind,source=requirements/cpu.txt,target=/tmp/requirements/cpu.txt \
    --mount=type=secret,id=pip.conf,target=/etc/pip.conf \
    set -eu; \
    case "${DEVICE}" in gpu|cpu) ;; *) echo "error: DEVICE is gpu or cpu, not '${DEVICE}'" >&2; exit 2 ;; esac; \
    export DEBIAN_FRONTEND=noninteractive; \
    set -- ca-certificates libgomp1 libquadmath0; \
    python3.11 -c 'import ensurepip, venv' 2>/dev/null || set -- "$@" python3.11 python3.11-venv; \
    apt-get update; \
    apt-get install -y --no-install-recommends "$@"; \
    python3.11 -m venv /opt/facejobs; \
    /opt/facejobs/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps --require-hashes \
        -r "/tmp/requirements/${DEVICE}.txt"; \
    if [ "${DEVICE}" = gpu ]; then \
        ls -d /opt/facejobs/lib/python3.11/site-packages/nvidia/*/lib >/etc/ld.so.conf.d/facejobs-cuda.conf; \
        ldconfig; \
    fi; \
    apt-get clean; \
    rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/debconf/*-old /var/cache/ldconfig/* /var/log/apt \
        /var/log/dpkg.log /var/log/alternatives.log

# 1000 is the user of ModelArts' training jobs today, 1101 that of their first version; its group there is 100.
ARG UID=1000
RUN --mount=type=bind,source=.,target=/mnt \
    set -eu; \
    mkdir /tmp/source; \
    cp -r /mnt/pyproject.toml /mnt/README.md /mnt/LICENSE /mnt/src /tmp/source; \
    /opt/facejobs/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps --no-build-isolation --no-index \
        /tmp/source; \
    rm -r /tmp/source; \
    useradd --uid "${UID}" --gid 100 --no-log-init --create-home --home-dir /home/work --shell /bin/bash work; \
    cp -r /mnt/run_train.sh /mnt/jobs /home/work; \
    chmod -R u=rwX,go=rX /home/work; \
    find / -xdev -type f -perm /6000 -exec chmod a-s {} +; \
    /opt/facejobs/bin/python -m facejobs.jobs.image.library_check

ENV PATH=/opt/facejobs/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
ARG VERSION=
ARG REVISION=
ARG SOURCE=
LABEL org.opencontainers.image.title=facejobs \
      org.opencontainers.image.licenses=Apache-2.0 \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.source="${SOURCE}"
WORKDIR /home/work
USER ${UID}:100
ENTRYPOINT ["/home/work/run_train.sh"]
