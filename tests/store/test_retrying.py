"""Requests are sent again with growing pauses, in halves, and not for ever."""

from __future__ import annotations

import grpc
import httpx
import pytest
from qdrant_client.common.client_exceptions import ResourceExhaustedResponse
from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse
from stored import FakeTime

from trivet.errors import (
    IndexClosedError,
    ServerAccessError,
    ServerRefusedError,
    ServerUnavailableError,
    StoreError,
)
from trivet.store.retrying import Failure, Retrying
from trivet.store.server_failures import UnfinishedError, diagnose


class FailingError(Exception):
    """A request that fails in a way of the test's own."""

    def __init__(self, kind: str, retry_after_s: float | None = None) -> None:
        super().__init__(kind)
        self.failure = Failure(kind, "so it is", retry_after_s)


def retrying(time: FakeTime, attempts: int = 6, total_s: float = 100.0) -> Retrying:
    return Retrying(attempts, total_s, lambda error: error.failure, time.timing)


def failing(*failures: Exception):
    """A request that fails so often and then succeeds; and the parts that it was given."""
    left, parts = list(failures), []

    def request(part: object = None) -> object:
        parts.append(part)
        if left:
            raise left.pop(0)
        return part

    return request, parts


def test_pauses_grow_up_to_a_limit() -> None:
    time = FakeTime()
    request, parts = failing(*(FailingError("unavailable") for _ in range(7)))
    retrying(time, attempts=9).call("do it", request)
    # Half of 0.5, 1, 2 … 10: the fake chance is always one half.
    assert time.pauses == [0.25, 0.5, 1.0, 2.0, 4.0, 5.0, 5.0]
    assert len(parts) == 8


def test_pauses_are_drawn_by_chance() -> None:
    time = FakeTime()
    draws = iter([0.0, 0.999])
    timing = time.timing
    spread = Retrying(
        9,
        100.0,
        lambda e: e.failure,
        type(timing)(**{**vars(timing), "random": lambda: next(draws)}),
    )
    spread.call("do it", failing(FailingError("unavailable"), FailingError("unavailable"))[0])
    assert time.pauses == [0.0, 0.999]


def test_the_server_says_when() -> None:
    time = FakeTime()
    retrying(time).call("do it", failing(FailingError("unavailable", 7.0))[0])
    assert time.pauses == [7.25]


def test_attempts_are_limited() -> None:
    time = FakeTime()
    request, parts = failing(*(FailingError("unavailable") for _ in range(20)))
    with pytest.raises(
        ServerUnavailableError, match=r"did not do it: so it is \(attempt 6"
    ) as caught:
        retrying(time).call("do it", request)
    assert len(parts) == 6
    assert isinstance(caught.value.__cause__, FailingError)


def test_time_is_limited_also_where_the_server_wants_more() -> None:
    time = FakeTime()
    with pytest.raises(ServerUnavailableError):
        retrying(time, attempts=99, total_s=12.0).call(
            "do it", failing(*(FailingError("unavailable") for _ in range(99)))[0]
        )
    assert time.now - 1e9 <= 12.0
    time = FakeTime()
    with pytest.raises(ServerUnavailableError):
        retrying(time).call("do it", failing(FailingError("unavailable", 3600.0))[0])
    assert time.pauses == []


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("refused", ServerRefusedError),
        ("denied", StoreError),
        ("no access", ServerAccessError),
        ("too large", ServerRefusedError),
    ],
)
def test_what_no_repetition_mends_is_raised_at_once(kind: str, error: type[Exception]) -> None:
    time = FakeTime()
    request, parts = failing(FailingError(kind))
    with pytest.raises(error):
        retrying(time).call("do it", request)
    assert (len(parts), time.pauses) == (1, [])


@pytest.mark.parametrize(("kind", "pauses"), [("too large", 0), ("timeout", 1)])
def test_a_batch_is_halved_and_all_of_it_is_done_in_order(kind: str, pauses: int) -> None:
    time = FakeTime()
    done: list[int] = []

    def request(part: list[int]) -> int:
        if len(part) > 3:
            raise FailingError(kind)
        done.extend(part)
        return len(part)

    assert sum(retrying(time).in_parts("do it", list(range(20)), request)) == 20
    assert done == list(range(20))
    assert bool(time.pauses) == bool(pauses)


def test_one_item_that_takes_too_long_is_tried_again() -> None:
    time = FakeTime()
    request, parts = failing(FailingError("timeout"), FailingError("timeout"))
    assert retrying(time).in_parts("do it", ["a"], request) == [["a"]]
    assert len(parts) == 3


def test_a_success_between_failures_starts_the_count_anew() -> None:
    time = FakeTime()
    failures = {"a": 4, "b": 4}

    def request(part: list[str]) -> None:
        if len(part) > 1:
            raise FailingError("timeout")
        if failures[part[0]]:
            failures[part[0]] -= 1
            raise FailingError("unavailable")

    # Nine failures, and never six in a row.
    retrying(time, total_s=1e6).in_parts("do it", ["a", "b"], request)
    assert failures == {"a": 0, "b": 0}
    assert len(time.pauses) == 9


def answer(status: int, content: bytes = b"", **headers: str) -> UnexpectedResponse:
    return UnexpectedResponse(status, "reason", content, httpx.Headers(headers))


class GrpcError(grpc.RpcError):
    def __init__(self, code: grpc.StatusCode, details: str = "") -> None:
        super().__init__()
        self._code, self._details = code, details

    def code(self) -> grpc.StatusCode:
        return self._code

    def details(self) -> str:
        return self._details


TOO_LARGE = b'{"status":{"error":"JSON payload (40000000 bytes) is larger than allowed (limit: 33554432 bytes)."}}'
SENT = httpx.Request("PUT", "http://x")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (answer(429), "unavailable"),
        (answer(500), "unavailable"),
        (answer(503), "unavailable"),
        (answer(408), "timeout"),
        (answer(504), "timeout"),
        (answer(413), "too large"),
        (answer(400, TOO_LARGE), "too large"),
        (answer(400, b'{"status":{"error":"Wrong input"}}'), "refused"),
        (answer(422), "refused"),
        (answer(401), "no access"),
        (answer(403), "no access"),
        (answer(404), "denied"),
        (answer(507), "denied"),
        (ResponseHandlingException(httpx.ReadTimeout("slow", request=SENT)), "timeout"),
        (ResponseHandlingException(httpx.ConnectTimeout("slow", request=SENT)), "unavailable"),
        (ResponseHandlingException(httpx.ConnectError("gone", request=SENT)), "unavailable"),
        (ResponseHandlingException(httpx.RemoteProtocolError("cut", request=SENT)), "unavailable"),
        (UnfinishedError("acknowledged"), "unavailable"),
        (GrpcError(grpc.StatusCode.UNAVAILABLE), "unavailable"),
        (GrpcError(grpc.StatusCode.DEADLINE_EXCEEDED), "timeout"),
        (GrpcError(grpc.StatusCode.RESOURCE_EXHAUSTED), "unavailable"),
        (GrpcError(grpc.StatusCode.OUT_OF_RANGE, "decoded message length too large"), "too large"),
        (GrpcError(grpc.StatusCode.INVALID_ARGUMENT, "bad"), "refused"),
        (GrpcError(grpc.StatusCode.UNAUTHENTICATED), "no access"),
        (TypeError("a bug"), "refused"),
    ],
)
def test_what_a_failure_means(error: Exception, kind: str) -> None:
    assert diagnose(error).kind == kind


def test_when_the_server_wants_to_be_asked_again() -> None:
    assert diagnose(ResourceExhaustedResponse("slow down", 12)).retry_after_s == 12
    assert diagnose(answer(503, **{"retry-after": "9"})).retry_after_s == 9
    assert (
        diagnose(answer(503, **{"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"})).retry_after_s
        is None
    )


def test_the_servers_own_words_are_told() -> None:
    failure = diagnose(answer(400, b'{"status":{"error":"Wrong input: no vector x"}}'))
    assert failure.reason == "400 Wrong input: no vector x"
    assert "<html>" in diagnose(answer(502, b"<html>bad gateway</html>")).reason


def test_our_own_errors_pass() -> None:
    with pytest.raises(IndexClosedError):
        diagnose(IndexClosedError("closed"))
