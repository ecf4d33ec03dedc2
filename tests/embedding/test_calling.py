"""A foreign model is called at the rate that it allows, and again after what may pass."""

from __future__ import annotations

import email.utils
import http.client
import io
import urllib.error
from concurrent.futures import ThreadPoolExecutor

import pytest

from trivet import CallPolicy
from trivet.embedding.calling import Clock
from trivet.embedding.hosted import wrap_calls
from trivet.errors import EmbeddingError

TODAY = 1_800_000_000.0


class Time:
    """A clock that moves when somebody sleeps."""

    def __init__(self, chance=0.5):
        self.now, self.slept = 0.0, []
        self.clock = Clock(lambda: self.now, lambda: TODAY + self.now, self.sleep, lambda: chance)

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds


class Response:
    def __init__(self, status, headers):
        self.status_code, self.headers = status, headers


class StatusError(Exception):
    """As the usual clients raise it."""

    def __init__(self, status, **headers):
        super().__init__(f"status {status}")
        self.response = Response(status, {k.replace("_", "-"): v for k, v in headers.items()})


class OwnStatusError(Exception):
    def __init__(self, status):
        self.status_code = status
        self.code = "rate_limit_exceeded"


class CodeError(Exception):
    def __init__(self, status):
        self.code = status


class Failing:
    """Raises these errors, one a call, and then answers."""

    def __init__(self, *errors):
        self.errors, self.calls = list(errors), 0

    def __call__(self, texts):
        self.calls += 1
        texts.clear()  # what a call does to its list does not reach the next
        if self.errors:
            raise self.errors.pop(0)
        return [[1.0, 2.0]]


def embedder(call, time, **policy):
    return wrap_calls(
        name="vendor/m",
        dims=2,
        documents=call,
        queries=None,
        revision="",
        max_tokens=100,
        count_tokens=len,
        prompts=None,
        policy=CallPolicy(**policy),
        clock=time.clock,
    )


def embed(call, time, **policy):
    return embedder(call, time, **policy).embed_documents(["a"])


def raised_from(outer, inner):
    outer.__cause__ = inner
    return outer


PASSING = [
    *(StatusError(status) for status in (408, 409, 425, 429, 500, 502, 503, 529)),
    OwnStatusError(429),
    CodeError(503),
    TimeoutError(),
    ConnectionResetError(),
    OSError("network is down"),
    raised_from(RuntimeError("the client gave up"), TimeoutError()),
    raised_from(ValueError("wrapped"), StatusError(503)),
]
LASTING = [
    *(StatusError(status) for status in (400, 401, 403, 404, 413, 422)),
    OwnStatusError(400),
    ValueError("no such model"),
    FileNotFoundError("certificates"),
    PermissionError("key"),
    raised_from(StatusError(401), TimeoutError()),
    urllib.error.HTTPError("https://service", 403, "no", None, io.BytesIO()),
]


@pytest.mark.parametrize("error", PASSING, ids=repr)
def test_what_may_pass_is_tried_again(error):
    time, call = Time(), Failing(error)
    assert len(embed(call, time)) == 1
    assert (call.calls, time.slept) == (2, [0.5])


@pytest.mark.parametrize("error", LASTING, ids=repr)
def test_what_does_not_pass_is_raised_at_once(error):
    time, call = Time(), Failing(error)
    with pytest.raises(EmbeddingError, match="expected vectors from 'vendor/m'") as caught:
        embed(call, time)
    assert caught.value.__cause__ is error
    assert type(error).__name__ in str(caught.value)
    assert (call.calls, time.slept) == (1, [])


def test_a_status_of_urllib_that_may_pass_is_tried_again():
    headers = http.client.HTTPMessage()
    headers["Retry-After"] = "4"
    error = urllib.error.HTTPError("https://service", 503, "busy", headers, io.BytesIO())
    time = Time()
    embed(Failing(error), time)
    assert time.slept == [4.0]


def test_the_service_says_how_long_to_wait():
    time = Time()
    embed(Failing(StatusError(429, Retry_After="7"), StatusError(503, retry_after="0.25")), time)
    assert time.slept == [7.0, 0.25]


def test_the_service_may_name_a_date():
    date = email.utils.formatdate(TODAY + 11, usegmt=True)
    past = email.utils.formatdate(TODAY - 60, usegmt=True)
    time = Time()
    embed(Failing(StatusError(429, retry_after=date), StatusError(429, retry_after=past)), time)
    assert time.slept == [11.0, 0.0]


@pytest.mark.parametrize("stated", ["soon", "nan", "inf", ""])
def test_a_wait_that_cannot_be_read_is_drawn(stated):
    time = Time()
    embed(Failing(StatusError(429, retry_after=stated)), time)
    assert time.slept == [0.5]


@pytest.mark.parametrize("chance", [0.0, 0.5, 1.0])
def test_waits_are_drawn_from_ever_longer_spans_up_to_half_a_minute(chance):
    time = Time(chance)
    embed(Failing(*[TimeoutError()] * 7), time, attempts=8, patience_s=1000)
    assert time.slept == [chance * span for span in (1, 2, 4, 8, 16, 30, 30)]


def test_it_gives_up_after_so_many_attempts():
    time, call = Time(), Failing(*[StatusError(503)] * 9)
    with pytest.raises(EmbeddingError, match="the last of 3 attempts") as caught:
        embed(call, time, attempts=3)
    assert (call.calls, time.slept) == (3, [0.5, 1.0])
    assert isinstance(caught.value.__cause__, StatusError)


def test_it_gives_up_when_the_next_attempt_would_exceed_its_patience():
    time, call = Time(), Failing(*[StatusError(429, retry_after="20")] * 9)
    with pytest.raises(EmbeddingError, match=r"after 40 s, and to wait 20 s more.* of 50 s"):
        embed(call, time, patience_s=50)
    assert (call.calls, time.slept) == (3, [20.0, 20.0])


def test_an_interrupt_goes_through():
    call = Failing(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        embed(call, Time())
    assert call.calls == 1


def test_a_reply_that_breaks_off_half_way_is_asked_for_again():
    calls = []

    def call(texts):
        calls.append(texts)
        for number, _ in enumerate(texts):
            if number == 1 and len(calls) == 1:
                raise ConnectionResetError
            yield [1.0, number]

    made = embedder(call, Time()).embed_documents(["a", "b"]).dense.values
    assert calls == [["a", "b"], ["a", "b"]]
    assert made.shape == (2, 2)


def test_every_batch_has_attempts_of_its_own():
    time, calls = Time(), []

    def call(texts):
        calls.append(list(texts))
        if len(calls) % 2:
            raise TimeoutError
        return [[1.0, 2.0]]

    embedder(call, time, batch_size=1, attempts=2).embed_documents(["a", "b", "c"])
    assert calls == [["a"], ["a"], ["b"], ["b"], ["c"], ["c"]]


def test_so_many_calls_begin_in_a_minute():
    time, begun = Time(), []

    def call(texts):
        begun.append(time.now)
        time.now += 1
        return [[1.0, 2.0]]

    limited = embedder(call, time, batch_size=1, requests_per_minute=3)
    limited.embed_documents([str(number) for number in range(8)])
    assert begun == [0, 1, 2, 60, 61, 62, 120, 121]


def test_repeated_calls_count_and_embedders_of_one_model_share_the_limit():
    time = Time(chance=0)
    call = Failing(TimeoutError())
    limited = embedder(call, time, requests_per_minute=2)
    limited.embed_documents(["a"])  # two calls
    limited.only(["dense"]).embed_queries(["a"])
    assert time.slept == [0, 60]


def test_threads_wait_for_their_turns():
    slept = []
    clock = Clock(now=lambda: 0.0, sleep=slept.append)
    still = Time()
    still.clock = clock
    limited = embedder(lambda texts: [[1.0, 2.0]], still, requests_per_minute=4)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: limited.embed_documents(["a"]), range(14)))
    # The first four at once, the next in the minutes after: nobody's place is given twice.
    assert sorted(slept) == [60] * 4 + [120] * 4 + [180] * 2
