"""What the exceptions of qdrant-client mean, for the one who sent the request."""

from __future__ import annotations

import json

import grpc
import httpx
from qdrant_client.common.client_exceptions import QdrantException, ResourceExhaustedResponse
from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

from trivet.errors import TrivetError
from trivet.store.retrying import Failure

# 408 is the server's own word for a request that took it too long.
TIMEOUT_STATUSES = (408, 504)
# How a Qdrant server, which answers 400, and a proxy before it, which answers 413, refuse a body.
TOO_LARGE = ("larger than allowed", "exceeded limit", "message length too large", "larger than max")
# 401 is no key or an unknown one; 403 one that may not do this.
KEY_HINT = (
    "give a key that may do this in ServerSettings(api_key=…), on the command line in the "
    "environment variable QDRANT_API_KEY"
)
# What is wrong with the request itself: bad input, a conflict, a failed check.
REFUSALS = (400, 409, 413, 422)
# No room on the disk: waiting does not help.
FULL = 507

_GRPC_TIMEOUTS = (grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED)
_GRPC_UNAVAILABLE = (
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.ABORTED,
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.UNKNOWN,
)


_GRPC_NO_ACCESS = (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED)
_GRPC_REFUSALS = (
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.ALREADY_EXISTS,
    grpc.StatusCode.FAILED_PRECONDITION,
)


class UnfinishedError(Exception):
    """A server took a write and did not show it within the time of a request."""


def diagnose(error: Exception) -> Failure:
    """Why a request failed; raises anything that is no failed request.

    Raises:
        TrivetError: as it came.
    """
    if isinstance(error, TrivetError):
        raise error
    if isinstance(error, ResourceExhaustedResponse):
        return Failure("unavailable", f"429 {error}", float(error.retry_after_s))
    if isinstance(error, UnexpectedResponse):
        return _answered(error)
    if isinstance(error, ResponseHandlingException):
        return _unanswered(error.source)
    if isinstance(error, grpc.RpcError):
        return _grpc(error)
    if isinstance(error, (UnfinishedError, QdrantException, json.JSONDecodeError)):
        return Failure("unavailable", str(error))
    return Failure("refused", f"{type(error).__name__}: {error}")


def _answered(error: UnexpectedResponse) -> Failure:
    """An answer that is an error."""
    status = error.status_code or 0
    reason = f"{status} {_message(error)}"
    if status == 413 or (status == 400 and any(words in reason for words in TOO_LARGE)):
        return Failure("too large", reason)
    if status in TIMEOUT_STATUSES:
        return Failure("timeout", reason)
    if status in (401, 403):
        return Failure("no access", f"{reason}: {KEY_HINT}")
    if status in REFUSALS:
        return Failure("refused", reason)
    if status == FULL or (status < 500 and status != 429):
        return Failure("denied", reason)
    after_s = error.headers.get("Retry-After", "")
    return Failure("unavailable", reason, float(after_s) if after_s.isdecimal() else None)


def _message(error: UnexpectedResponse) -> str:
    """The server's own words, or the beginning of whatever came."""
    try:
        return str(json.loads(error.content)["status"]["error"])
    except (ValueError, KeyError, TypeError):
        return error.content[:200].decode(errors="replace") or error.reason_phrase


def _unanswered(source: Exception) -> Failure:
    """A request that got no answer, or none that can be read."""
    reason = f"{type(source).__name__} {source}".strip()
    if isinstance(source, (httpx.ConnectTimeout, httpx.PoolTimeout)):
        return Failure("unavailable", reason)
    if isinstance(source, httpx.TimeoutException):
        return Failure("timeout", reason)
    if isinstance(source, (httpx.InvalidURL, httpx.UnsupportedProtocol)):
        return Failure("refused", reason)
    return Failure("unavailable", reason)


def _grpc(error: grpc.RpcError) -> Failure:
    # Every error of a call is a grpc.Call too; the base class just does not say so.
    code, details = error.code(), error.details() or ""
    reason = f"{code.name} {details}"
    if any(words in details for words in TOO_LARGE):
        return Failure("too large", reason)
    if code in _GRPC_TIMEOUTS:
        return Failure("timeout", reason)
    if code in _GRPC_UNAVAILABLE:
        return Failure("unavailable", reason)
    if code in _GRPC_NO_ACCESS:
        return Failure("no access", f"{reason}: {KEY_HINT}")
    return Failure("refused" if code in _GRPC_REFUSALS else "denied", reason)
