"""What an API server refuses, and why it cannot be asked, in words."""

import json
import re
from typing import Any

from facejobs.jobs.errors import BackendUnreachableError, JobError

_FORBIDDEN = re.compile(
    r'User "(?P<user>[^"]*)" cannot (?P<verb>\S+) resource "(?P<resource>[^"]*)"'
    r'(?: in API group "(?P<group>[^"]*)")?(?: in the namespace "(?P<namespace>[^"]*)")?'
)
_QUOTA = re.compile(r"exceeded quota: (?P<quota>[^,]+), (?P<amounts>.*)", re.DOTALL)
_NO_NAMESPACE = re.compile(r'namespaces "(?P<namespace>[^"]*)" not found')
_LONGEST = 500


class ClusterUnreachableError(BackendUnreachableError):
    """The API server does not answer, or not as one."""


class ClusterRefusedError(JobError):
    """The API server answered with an error; `code` is its HTTP status."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


def refused(error: Any, host: str, doing: str) -> JobError:
    """What kubernetes' ApiException means; `doing` says what was asked, as in "create the Job x"."""
    code, message = int(error.status or 0), message_of(error)
    if code == 0:
        return ClusterUnreachableError(f"the API server {host} could not be asked: {message}")
    if code == 401:
        words = (
            f"the API server {host} does not accept the credentials of the kubeconfig (401): "
            "log in to the cluster again, until `kubectl get pods` answers"
        )
    elif code == 403:
        words = _forbidden(message, doing)
    elif code == 409:
        words = f"cannot {doing}: it is there already, or was changed just now: {message}"
    elif code in (400, 422):
        words = f"the API server {host} refuses to {doing}: {message}"
    elif code == 404 and (match := _NO_NAMESPACE.search(message)):
        words = f"there is no namespace {match['namespace']} in {host}: name another with -o namespace=NAME"
    elif code in (429, 500, 502, 503, 504):
        return ClusterUnreachableError(
            f"cannot {doing}: {host} answers {code}, {message}; it may pass: try again in a minute"
        )
    else:
        words = f"cannot {doing}: {host} answers {code}, {message}"
    return ClusterRefusedError(words, code)


def _forbidden(message: str, doing: str) -> str:
    if quota := explain_quota(message):
        return f"cannot {doing}: {quota}"
    match = _FORBIDDEN.search(message)
    if match is None:
        return f"cannot {doing}: the cluster forbids it: {message}"
    what = f"{match['resource']}.{match['group']}" if match["group"] else match["resource"]
    where = f" in the namespace {match['namespace']}" if match["namespace"] else " in the whole cluster"
    return (
        f"cannot {doing}: {match['user']} lacks the verb {match['verb']} on {what}{where}; "
        "ask whoever runs the cluster for a Role with it (docs/how-to/backends/kubernetes.md lists all that are needed)"
    )


def explain_quota(message: str) -> str | None:
    """The quota that is used up, and by how much; None if the message is about something else."""
    match = _QUOTA.search(message)
    if match is None:
        return None
    return (
        f"the quota {match['quota']} of the namespace is used up ({match['amounts'][:_LONGEST]}); "
        "ask for less, or wait until other jobs have ended"
    )


def message_of(error: Any) -> str:
    """The message of the Status object in an ApiException, else its reason."""
    try:
        message = json.loads(error.body or "")["message"]
    except (ValueError, KeyError, TypeError):
        message = error.reason
    return " ".join(str(message).split())[:_LONGEST]


def unreachable(error: Exception, host: str) -> ClusterUnreachableError:
    """What an error of the connection means."""
    text = " ".join(str(error).split())
    if "CERTIFICATE_VERIFY_FAILED" in text or "SSLError" in text:
        why = "its certificate is not signed by the authority that the kubeconfig names: fetch a new kubeconfig"
    elif "NameResolutionError" in text or "Name or service not known" in text or "Temporary failure in name" in text:
        why = "no such host is known here: is the kubeconfig the right one?"
    elif "refused" in text:
        why = "nothing listens there: is the cluster up, and the kubeconfig the right one?"
    elif "timed out" in text.lower() or "Timeout" in text:
        why = "it does not answer in time: is it reachable from this network?"
    else:
        why = text[:_LONGEST]
    return ClusterUnreachableError(f"the API server {host} cannot be reached: {why}")
