"""The first words with an S3 server: who asks, does it answer, what time is it there, is the bucket there."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from facejobs.storage.doctor.checks import Doubt
from facejobs.storage.errors import AccessError, StorageError
from facejobs.storage.s3_client import Connection
from facejobs.storage.s3_errors import code_of, explained, is_passing

_SKEW_WARNING = 60.0  # seconds
_SKEW_REFUSED = 900.0  # seconds: what S3 allows
_CREDENTIAL_FAULTS = frozenset(
    {
        "InvalidAccessKeyId",
        "SignatureDoesNotMatch",
        "ExpiredToken",
        "InvalidToken",
        "TokenRefreshRequired",
        "RequestTimeTooSkewed",
        "AccountProblem",
        "AuthorizationHeaderMalformed",
    }
)


class Contact:
    """One question to the server (what is in the bucket?), whose answer several checks look at."""

    def __init__(self, connection: Connection, url: str, bucket: str) -> None:
        self._connection = connection
        self._url = url
        self._bucket = bucket
        self._answer: dict[str, Any] = {}
        self._refusal: Exception | None = None

    def find_credentials(self) -> str:
        """Where the credentials come from."""
        import boto3

        with explained(self._url, self._connection.endpoint):
            found = boto3.session.Session().get_credentials()
            if found is None or not found.access_key or not found.secret_key:
                raise AccessError(
                    f"{self._url}: no credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE "
                    "with a profile in ~/.aws/credentials"
                )
        return f"from {found.method}"

    def reach(self) -> str:
        """Ask, and see that anybody answers at all."""
        from botocore.exceptions import ClientError

        def ask() -> dict[str, Any]:
            try:
                answer: dict[str, Any] = self._connection.client.list_objects(Bucket=self._bucket, MaxKeys=1)
            except ClientError as error:
                if is_passing(error):
                    raise
                self._refusal = error
                return dict(error.response)
            return answer

        self._answer = self._connection.call(ask, self._url)
        return f"{self._connection.endpoint} answers"

    def compare_clocks(self) -> str:
        """See how far this machine's clock is from the server's."""
        stated = self._answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date", "")
        try:
            there = parsedate_to_datetime(stated)
        except ValueError:
            raise Doubt("the server does not say what time it is") from None
        skew = (datetime.now(UTC) - there).total_seconds()
        said = f"this machine's clock is {abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} the server's"
        if abs(skew) > _SKEW_REFUSED:
            raise StorageError(f"{said}: signed requests are refused; set this machine's clock (NTP)")
        if abs(skew) > _SKEW_WARNING:
            raise Doubt(f"{said}; at 900 s requests are refused: set this machine's clock (NTP)")
        return said

    def accept_credentials(self) -> str:
        """See that the server takes the signature, whatever else it refuses."""
        if self._refusal and code_of(self._answer) in _CREDENTIAL_FAULTS:
            self._explain()
        return "the server takes the signature"

    def find_bucket(self) -> str:
        """See that the bucket is there and may be listed."""
        if self._refusal:
            self._explain()
        return f"{self._bucket} is there"

    def _explain(self) -> None:
        with explained(self._url, self._connection.endpoint):
            raise self._refusal or StorageError(self._url)
