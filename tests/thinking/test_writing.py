"""Any function that answers a prompt is a thinker, and nothing that it does raises."""

from __future__ import annotations

import asyncio
import threading

import pytest
from waiting import PATIENCE_S, auntil

from trivet.thinking import Completion, Thinker, ThinkRequest, WritingThinker

ANSWER = (
    "PASSAGE: Anchors hold a vessel against wind and tide by digging into the ground.\n"
    "KEYWORDS: anchor, kedge, holding power"
)
REQUEST = ThinkRequest("what keeps a ship in place")


async def write_async(prompt: str) -> str:
    await asyncio.sleep(0)
    return ANSWER


class AsyncModel:
    async def __call__(self, prompt: str) -> str:
        return ANSWER


@pytest.mark.parametrize("write", [lambda prompt: ANSWER, write_async, AsyncModel()])
async def test_every_kind_of_function_thinks_both_ways(write) -> None:
    thinker = WritingThinker(write, name="model@1")
    assert isinstance(thinker, Thinker)
    one = await thinker.athink(REQUEST)
    two = thinker.think(REQUEST)  # within a running loop
    for result in (one, two):
        assert result.status == "ok"
        assert [thought.kind for thought in result.thoughts] == ["passage", "keywords"]
        assert result.usage.calls == 1
        assert result.usage.output_tokens == -(-len(ANSWER) // 4)
    assert "model@1" in thinker.fingerprint


def test_tokens_are_the_models_own_where_it_counts_them() -> None:
    thinker = WritingThinker(lambda prompt: Completion(ANSWER, 123, 45), name="m")
    assert thinker.think(REQUEST).usage.tokens == 168


def failing(prompt: str) -> str:
    raise ConnectionError("no route to the model")


@pytest.mark.parametrize(
    ("write", "status"),
    [
        (failing, "error"),
        (lambda prompt: None, "error"),
        (lambda prompt: b"bytes", "error"),
        (lambda prompt: Completion(42), "error"),
        (lambda prompt: "", "error"),
        (lambda prompt: "I'm sorry, I cannot do that for you today.", "error"),
        (lambda prompt: "word " * 5000, "error"),
        (lambda prompt: "\x00\x01\x02", "error"),
        (lambda prompt: ANSWER.splitlines()[0], "partial"),
    ],
)
async def test_whatever_comes_is_a_typed_result(write, status: str) -> None:
    thinker = WritingThinker(write, name="m")
    for result in (thinker.think(REQUEST), await thinker.athink(REQUEST)):
        assert result.status == status
        assert result.reason
        assert (result.thoughts == ()) == (status == "error")


async def test_a_slow_function_does_not_block_the_loop() -> None:
    asked, go_on = threading.Event(), threading.Event()

    def slow(prompt: str) -> str:
        asked.set()
        assert go_on.wait(PATIENCE_S)
        return ANSWER

    thinking = asyncio.ensure_future(WritingThinker(slow, name="m").athink(REQUEST))
    await auntil(asked.is_set)
    go_on.set()  # which a blocked loop could never do
    assert (await thinking).status == "ok"


async def test_a_model_with_two_calls_is_asked_by_the_fitting_one() -> None:
    asked: list[str] = []

    def write(prompt: str) -> str:
        asked.append("sync")
        return ANSWER

    async def awrite(prompt: str) -> str:
        asked.append("async")
        return ANSWER

    thinker = WritingThinker(write, name="m", awrite=awrite)
    assert thinker.think(REQUEST).thoughts == (await thinker.athink(REQUEST)).thoughts
    assert asked == ["sync", "async"]
