"""Names and labels of a version's objects in a cluster: safe whatever the job is called, with the truth beside them."""

import re

from facejobs.jobs.backends.store_digest import store_digest

MANAGED_BY = "app.kubernetes.io/managed-by"
RUN = "facejobs/run"
JOB = "facejobs/job"
VERSION = "facejobs/version"
ATTEMPT = "facejobs/attempt"
URL = "facejobs/url"
STARTED = "facejobs/started"
REPLICATED_JOB = "task"

# JobSet appends "-task-0-4095" and five more characters, and a host name has 63 at most.
_SLUG = 20


def run_name(url: str) -> str:
    """The part of the name that all attempts of the version at `url` share: a DNS label that begins with a letter.

    The digest tells stores of one name apart, also on two servers.
    """
    job, version = url.split("/")[-2:]
    slug = re.sub(r"[^a-z0-9]+", "-", job.lower())[:_SLUG].strip("-")
    if not slug[:1].isalpha():
        slug = f"j-{slug}"[:_SLUG].strip("-")
    return f"{slug}-{version.lower()}-{store_digest(url)[:8]}"


def labels(url: str, run: str, attempt: int) -> dict[str, str]:
    """Labels of everything that belongs to one attempt."""
    job, version = url.split("/")[-2:]
    return {
        "app.kubernetes.io/name": "facejobs",
        JOB: label_value(job),
        VERSION: version,
        RUN: run,
        ATTEMPT: str(attempt),
    }


def annotations(url: str) -> dict[str, str]:
    """The true names, which may hold what a label may not."""
    job, version = url.split("/")[-2:]
    return {JOB: job, VERSION: version, URL: url}


def label_value(text: str) -> str:
    """The text as near as a label's value comes to it: 63 letters, digits, '-', '_', '.', no mark at the ends."""
    return re.sub(r"[^A-Za-z0-9._-]", "-", text)[:63].strip("-_.")
