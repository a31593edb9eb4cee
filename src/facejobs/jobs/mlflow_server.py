"""MLflow's REST API, as much of it as sending a run takes (https://mlflow.org/docs/latest/api_reference/rest-api.html).

Spoken directly, so that facejobs needs no MLflow package.
"""

import base64
import json
import os
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

from facejobs.jobs.errors import JobError

TRACKING_URI = "MLFLOW_TRACKING_URI"
_SECONDS = 30.0
_ATTEMPTS = 4
_FIRST_PAUSE = 0.5
_BUSY = (429, 502, 503, 504)


class TrackingError(JobError):
    """The tracking server is not named, cannot be reached, or refuses."""


class MlflowServer:
    """One server. MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and _PASSWORD, authenticate as in MLflow."""

    def __init__(self, uri: str | None = None) -> None:
        """Use `uri`, else MLFLOW_TRACKING_URI; raises TrackingError unless it is an http or https URL."""
        given = uri or os.environ.get(TRACKING_URI, "")
        if not given:
            raise TrackingError(f"no MLflow server is named: set {TRACKING_URI}, as in {TRACKING_URI}=http://host:5000")
        parts = urllib.parse.urlsplit(given)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise TrackingError(
                f"{TRACKING_URI} must be an http or https URL, not {parts.scheme or 'a path'}: "
                "start `mlflow server` where the runs are kept, and name its address"
            )
        # Credentials in the address would stand in every message.
        self.address = urllib.parse.urlunsplit(
            (parts.scheme, parts.netloc.rpartition("@")[2], parts.path.rstrip("/"), "", "")
        )
        self._authorization = _authorization(parts)

    def get(self, endpoint: str, **query: str) -> dict[str, Any]:
        """Ask; raises TrackingError."""
        return self._call(f"{endpoint}?{urllib.parse.urlencode(query)}", None)

    def post(self, endpoint: str, **content: Any) -> dict[str, Any]:
        """Send; raises TrackingError."""
        return self._call(endpoint, content)

    def experiment(self, name: str) -> str:
        """The id of the experiment of that name, which is made if there is none."""
        found = self._find_experiment(name)
        if found is not None:
            return found
        try:
            return str(self.post("experiments/create", name=name)["experiment_id"])
        except TrackingError:
            # Somebody else may have made it between the two requests.
            found = self._find_experiment(name)
            if found is None:
                raise
            return found

    def _find_experiment(self, name: str) -> str | None:
        try:
            experiment = self.get("experiments/get-by-name", experiment_name=name)["experiment"]
        except _MissingError:
            return None
        if experiment.get("lifecycle_stage") == "deleted":
            raise TrackingError(f"the experiment {name} is deleted on {self.address}: restore it there")
        return str(experiment["experiment_id"])

    def _call(self, endpoint: str, content: dict[str, Any] | None) -> dict[str, Any]:
        headers = {"Content-Type": "application/json", **self._authorization}
        data = None if content is None else json.dumps(content, allow_nan=False).encode()
        request = urllib.request.Request(f"{self.address}/api/2.0/mlflow/{endpoint}", data, headers)
        pause = _FIRST_PAUSE
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                with urllib.request.urlopen(request, timeout=_SECONDS) as answer:
                    return self._object(answer.read())
            except urllib.error.HTTPError as error:
                if error.code not in _BUSY or attempt == _ATTEMPTS:
                    raise self._refusal(error) from None
            except (OSError, urllib.error.URLError) as error:
                if attempt == _ATTEMPTS:
                    reason = getattr(error, "reason", error)
                    raise TrackingError(f"the MLflow server {self.address} cannot be reached: {reason}") from None
            time.sleep(pause)
            pause *= 2
        raise AssertionError("the last attempt returns or raises")

    def _object(self, text: bytes) -> dict[str, Any]:
        try:
            value = json.loads(text or b"{}")
        except ValueError:
            value = None
        if not isinstance(value, dict):
            raise TrackingError(f"{self.address} does not answer as MLflow does; is {TRACKING_URI} right?")
        return value

    def _refusal(self, error: urllib.error.HTTPError) -> TrackingError:
        try:
            told = json.loads(error.read())
            code, message = str(told["error_code"]), str(told["message"])
        except (ValueError, KeyError, TypeError, OSError):
            code, message = "", error.reason
        if code == "RESOURCE_DOES_NOT_EXIST":
            return _MissingError(message)
        if error.code in (401, 403):
            return TrackingError(
                f"{self.address} refuses the credentials ({error.code}): set MLFLOW_TRACKING_TOKEN, or "
                "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
            )
        return TrackingError(f"{self.address} refuses ({error.code} {code}): {message[:300]}")


class _MissingError(TrackingError):
    """What was asked for is not on the server."""


def _authorization(parts: urllib.parse.SplitResult) -> dict[str, str]:
    if token := os.environ.get("MLFLOW_TRACKING_TOKEN"):
        return {"Authorization": f"Bearer {token}"}
    user = os.environ.get("MLFLOW_TRACKING_USERNAME") or urllib.parse.unquote(parts.username or "")
    password = os.environ.get("MLFLOW_TRACKING_PASSWORD") or urllib.parse.unquote(parts.password or "")
    if not user:
        return {}
    return {"Authorization": f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"}
