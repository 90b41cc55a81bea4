"""AWS Signature Version 4 of requests that read from an S3-compatible store.

Source: docs.aws.amazon.com, « Authenticating Requests: Using the Authorization Header ».
"""

import datetime as dt
import hashlib
import hmac
from collections.abc import Mapping
from urllib.parse import quote, urlsplit

_UNRESERVED = "-_.~"
_NOTHING = hashlib.sha256(b"").hexdigest()


def escaped(path: str) -> str:
    """A path as it is sent and signed; its slashes stay."""
    return quote(path, safe="/" + _UNRESERVED)


def query_of(values: Mapping[str, str]) -> str:
    """A query as it is sent and signed: by name."""
    pairs = sorted((quote(k, safe=_UNRESERVED), quote(v, safe=_UNRESERVED))
                   for k, v in values.items())  # fmt: skip
    return "&".join(f"{name}={value}" for name, value in pairs)


def signed_headers(
    url: str, *, region: str, access_key_id: str, secret_access_key: str, now: dt.datetime
) -> dict[str, str]:
    """The headers that sign a GET without a body.

    Args:
        url: made with :func:`escaped` and :func:`query_of`.
        now: in UTC; a store refuses what is some minutes off.
    """
    parts = urlsplit(url)
    time = now.strftime("%Y%m%dT%H%M%SZ")
    headers = {"host": parts.netloc, "x-amz-content-sha256": _NOTHING, "x-amz-date": time}
    names = ";".join(headers)
    told = "".join(f"{name}:{value}\n" for name, value in headers.items())
    canonical = "\n".join(["GET", parts.path or "/", parts.query, told, names, _NOTHING])
    scope = f"{time[:8]}/{region}/s3/aws4_request"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    key = f"AWS4{secret_access_key}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(
        key, f"AWS4-HMAC-SHA256\n{time}\n{scope}\n{digest}".encode(), "sha256"
    ).hex()
    credential = f"AWS4-HMAC-SHA256 Credential={access_key_id}/{scope}"
    return headers | {
        "authorization": f"{credential}, SignedHeaders={names}, Signature={signature}"
    }
