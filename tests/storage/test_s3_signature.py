"""Our signatures are those of botocore, for every key, region and token."""

from datetime import UTC, datetime
from typing import Any
from unittest import mock
from urllib.parse import quote

from botocore import auth, credentials
from botocore.awsrequest import AWSRequest
from hypothesis import given
from hypothesis import strategies as st

from facejobs.storage.s3_signature import Credentials, signed_headers

NOW = datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)
words = st.text("abcXYZ0189+/=-", min_size=1, max_size=40)


@given(
    key=st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=30),
    secret=words,
    token=st.just("") | words,
    region=st.sampled_from(["us-east-1", "cn-north-4"]),
    method=st.sampled_from(["GET", "HEAD"]),
    extra=st.sampled_from([{}, {"range": "bytes=0-9"}, {"range": "bytes=5-9", "if-match": '"abc-2"'}]),
)
def test_the_signature_is_that_of_botocore(
    key: str, secret: str, token: str, region: str, method: str, extra: dict[str, str]
) -> None:
    path = quote(f"/bucket/{key}", safe="/~")
    ours = signed_headers(method, path, {"host": "host:9000", **extra}, Credentials("id", secret, token), region, NOW)
    request: Any = AWSRequest(method, f"http://host:9000{path}", headers=extra)
    request.context.update(payload_signing_enabled=False)
    with (
        mock.patch.object(auth, "get_current_datetime", lambda: NOW.replace(tzinfo=None)),
        mock.patch.object(auth.S3SigV4Auth, "_should_sha256_sign_payload", lambda *_: False),
    ):
        auth.S3SigV4Auth(credentials.Credentials("id", secret, token or None), "s3", region).add_auth(request)
    assert ours["authorization"] == request.headers["Authorization"]
    assert ours["x-amz-date"] == request.headers["X-Amz-Date"]
    assert ours.get("x-amz-security-token") == request.headers.get("X-Amz-Security-Token")


def test_secrets_are_not_shown() -> None:
    assert repr(Credentials("id", "s3cret", "t0ken")) == "Credentials(key_id='id')"
