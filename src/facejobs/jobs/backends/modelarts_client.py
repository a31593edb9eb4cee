"""Requests to ModelArts, signed and sent by Huawei Cloud's SDK; answers as plain JSON values.

The SDK has calls for the V2 training jobs only. V1 requests are signed with its credentials and sent by its HTTP
client. Access keys come from the environment and are kept nowhere.
"""

import json
import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from facejobs.jobs.backends.modelarts_errors import ModelArtsError, refusal
from facejobs.jobs.backends.modelarts_options import ModelArtsOptions
from facejobs.jobs.errors import BackendUnreachableError, JobError

AK, SK, TOKEN = "HUAWEICLOUD_SDK_AK", "HUAWEICLOUD_SDK_SK", "HUAWEICLOUD_SDK_SECURITY_TOKEN"
PROJECT, REGION = "HUAWEICLOUD_SDK_PROJECT_ID", "HUAWEICLOUD_SDK_REGION"
ENDPOINT = "HUAWEICLOUD_SDK_MODELARTS_ENDPOINT"

_TIMEOUT_SECONDS = (10, 60)
_RETRIES = 2


@dataclass(frozen=True)
class Place:
    """Where jobs are: a project at an endpoint."""

    endpoint: str
    project_id: str

    def __str__(self) -> str:
        return f"{self.endpoint}/{self.project_id}"

    @classmethod
    def parse(cls, text: str) -> "Place | None":
        """What `str` wrote; None for anything else."""
        endpoint, _, project = text.rpartition("/")
        return cls(endpoint, project) if endpoint and project else None


def place_of(options: ModelArtsOptions, environment: Mapping[str, str] = os.environ) -> Place:
    """The place that the options name, or the environment; JobError saying what is missing."""
    project = options.project_id or environment.get(PROJECT)
    endpoint = options.endpoint
    if endpoint is None and options.region is None:
        endpoint = environment.get(ENDPOINT)
    region = options.region or environment.get(REGION)
    if endpoint is None and not region:
        raise JobError(
            f"the region of ModelArts is not known: set {REGION}, or give -o region=cn-north-4 (or -o endpoint=https://…)"
        )
    if not project:
        raise JobError(
            f"the ModelArts project is not known: set {PROJECT}, or give -o project_id=ID; "
            "the console lists it under My Credentials, one for each region"
        )
    return Place((endpoint or _endpoint_of(str(region))).rstrip("/"), project)


def missing_access(options: ModelArtsOptions, environment: Mapping[str, str] = os.environ) -> list[str]:
    """What is missing in the options or the environment before anything can be sent; empty if nothing."""
    missing = []
    try:
        place_of(options, environment)
    except JobError as error:
        missing.append(str(error))
    return [*missing, *filter(None, [missing_keys(environment)])]


def missing_keys(environment: Mapping[str, str]) -> str | None:
    """Which part of an access key is not set, in words."""
    unset = [name for name in (AK, SK) if not environment.get(name, "").strip()]
    return f"ModelArts needs an access key: set {' and '.join(unset)} in the environment" if unset else None


def _endpoint_of(region: str) -> str:
    """The address that the SDK knows for a region, else the usual form of one."""
    from huaweicloudsdkmodelarts.v1.region.modelarts_region import ModelArtsRegion

    known = ModelArtsRegion.static_fields.get(region)
    return str(known.endpoints[0]) if known else f"https://modelarts.{region}.myhuaweicloud.com"


class ModelArtsClient:
    """Sends requests to one place. Every method raises ModelArtsError, or JobError where nobody answers."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._sdk = _connect(place)

    def v2(self, what: str, operation: str, request: Any) -> dict[str, Any]:
        """Call a V2 operation of the SDK, such as `create_training_job`; `what` is told in an error."""
        call = getattr(self._sdk, operation)
        return self._answer(what, lambda: (200, call(request).raw_content))

    def v1(
        self,
        what: str,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        query: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Send a V1 request; `path` is that of the reference, with `{project_id}` in it."""
        answer = self._answer(what, lambda: self._send(method, path, body, query or {}))
        if str(answer.get("is_success", True)).lower() == "false":
            raise refusal(
                what, str(self.place), str(answer.get("error_code", "")), str(answer.get("error_message", "")), 200
            )
        return answer

    def _send(self, method: str, path: str, body: dict[str, Any] | None, query: Mapping[str, Any]) -> tuple[int, bytes]:
        from huaweicloudsdkcore.sdk_request import SdkRequest

        address = urlsplit(self.place.endpoint)
        request = SdkRequest(
            method=method,
            schema=address.scheme,
            host=address.netloc,
            resource_path=path.replace("{project_id}", self.place.project_id),
            query_params=[(name, str(value)) for name, value in query.items()],
            header_params={"Content-Type": "application/json;charset=UTF-8", "User-Agent": _user_agent()},
            body=None if body is None else json.dumps(body),
        )
        signed = self._sdk.get_credentials().sign_request(request)
        response = self._sdk.get_http_client().do_request_sync(signed)
        return response.status_code, response.content

    def _answer(self, what: str, send: Callable[[], tuple[int, bytes]]) -> dict[str, Any]:
        from huaweicloudsdkcore.exceptions.exceptions import SdkException, ServiceResponseException

        try:
            status, content = send()
        except ServiceResponseException as error:
            code, message = _own_words(error)
            raise refusal(what, str(self.place), code, message, int(error.status_code or 0)) from None
        except SdkException as error:
            raise self._silent(what, str(error.error_msg)) from None
        except OSError as error:
            # Of requests, which the SDK sends with: a timeout, or an answer that breaks off.
            raise self._silent(what, str(error)) from None
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            # The SDK puts an answer into its classes, whatever it is.
            raise ModelArtsError(
                f"{self.place}: asked to {what}, it answered what its SDK cannot read: {error}"
            ) from None
        if not content.strip():
            return {}
        try:
            answer = json.loads(content)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            shown = content[:80].decode(errors="replace")
            raise ModelArtsError(f"{self.place}: asked to {what}, it answered no JSON object: {shown!r}", status=status)
        return answer

    def _silent(self, what: str, why: str) -> BackendUnreachableError:
        return BackendUnreachableError(
            f"{self.place.endpoint} cannot be asked to {what}: {why[:300]}; look at the region or the endpoint, and at "
            "this machine's network"
        )


def objects(answer: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """The objects in a list of an answer; empty if it is none."""
    value = answer.get(name)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def part(answer: Mapping[str, Any], name: str) -> dict[str, Any]:
    """An object in an answer; empty if it is none."""
    value = answer.get(name)
    return value if isinstance(value, dict) else {}


def _own_words(error: Any) -> tuple[str, str]:
    """Code and message of an answer; V1 writes `error_message`, which the SDK does not look for."""
    code, message = str(error.error_code or ""), str(error.error_msg or "")
    try:
        said = json.loads(message)
    except ValueError:
        said = None
    if isinstance(said, dict):
        code = str(said.get("error_code") or code)
        message = str(said.get("error_message") or said.get("error_msg") or message)
    return code, message


def _connect(place: Place) -> Any:
    from huaweicloudsdkcore.auth.credentials import BasicCredentials
    from huaweicloudsdkcore.http.http_config import HttpConfig
    from huaweicloudsdkmodelarts.v1 import ModelArtsClient as Sdk

    unset = missing_keys(os.environ)
    if unset:
        raise JobError(unset)
    credentials = BasicCredentials(os.environ[AK].strip(), os.environ[SK].strip(), place.project_id)
    if os.environ.get(TOKEN):
        credentials = credentials.with_security_token(os.environ[TOKEN].strip())
    # It reports errors that are raised, and told, as well.
    logging.getLogger(f"HuaweiCloud-SDK-{Sdk.__name__}").addHandler(logging.NullHandler())
    config = HttpConfig(timeout=_TIMEOUT_SECONDS, retry_times=_RETRIES, user_agent=_user_agent())
    return (
        Sdk.new_builder().with_http_config(config).with_credentials(credentials).with_endpoint(place.endpoint).build()
    )


def _user_agent() -> str:
    from facejobs import __version__

    return f"facejobs/{__version__}"
