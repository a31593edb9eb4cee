"""ModelArts' refusals in words: what its code means here, and what to do."""

from facejobs.jobs.errors import JobError

_CREDENTIALS = (
    "the access key is refused: look at HUAWEICLOUD_SDK_AK and HUAWEICLOUD_SDK_SK, at this machine's clock, and at "
    "the project's region; after five failures in a row the key is locked for five minutes"
)
_RIGHTS = "the access key may not do this: give its user the permissions modelarts:trainJob:*"
_QUOTA = "the quota is used up: stop what is not needed, or ask for a larger one"
# By the code, as the references of the API gateway and of ModelArts list them.
_BY_CODE = {
    "APIGW.0301": _CREDENTIALS,
    "APIG.0301": _CREDENTIALS,
    "APIGW.0302": _RIGHTS,
    "APIG.0302": _RIGHTS,
    "APIGW.0101": "the endpoint does not serve this API: look at the region, and at the option api (v1 or v2)",
    "APIG.0101": "the endpoint does not serve this API: look at the region, and at the option api (v1 or v2)",
    "APIGW.0308": "too many requests: try again in a minute",
    "APIG.0308": "too many requests: try again in a minute",
    "ModelArts.0103": "ModelArts has a job of that name that is not in this store: give the spec another name",
    "ModelArts.0104": "ModelArts does not accept a field of the request: `facejobs plan` prints all of it",
    "ModelArts.0113": _QUOTA,
    "ModelArts.0116": _QUOTA,
    "ModelArts.2755": "look at the project and at what the request names: `facejobs plan` prints it",
}
_BY_STATUS = {
    401: _CREDENTIALS,
    403: _RIGHTS,
    404: "it is not there, or not in this project and region",
    429: "too many requests: try again in a minute",
}


class ModelArtsError(JobError):
    """ModelArts refused a request; `code` is its own."""

    def __init__(self, message: str, code: str = "", status: int = 0) -> None:
        super().__init__(message)
        self.code, self.status = code, status

    @property
    def gone(self) -> bool:
        """Whether ModelArts itself says that what was asked for does not exist, and not a gateway before it."""
        return self.status == 404 and self.code.startswith("ModelArts.")


def refusal(what: str, place: str, code: str, message: str, status: int) -> ModelArtsError:
    """The error for a request that ModelArts answered with a code and a message of its own."""
    advice = _BY_CODE.get(code) or (_QUOTA if "quota" in message.lower() else _BY_STATUS.get(status))
    said = " ".join(part for part in (code, message.strip()) if part) or f"HTTP status {status}"
    return ModelArtsError(
        f"{place}: ModelArts refused to {what}: {said[:600]}" + (f"; {advice}" if advice else ""), code, status
    )
