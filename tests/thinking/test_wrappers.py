"""Budgets and gates decide before a model is asked."""

from __future__ import annotations

import pytest
from thinkers import Counting

from trivet.errors import InvalidInputError
from trivet.thinking import Budgeted, Cached, Gated, ThinkRequest

REQUEST = ThinkRequest("what keeps a ship in place")


@pytest.mark.parametrize("budget", [{"calls": 0}, {"tokens": 0}])
async def test_a_budget_of_zero_asks_nothing(budget) -> None:
    thinker = Counting()
    budgeted = Budgeted(thinker, **budget)
    for result in (budgeted.think(REQUEST), await budgeted.athink(REQUEST)):
        assert result.status == "skipped"
        assert "budget of 0" in result.reason
    assert thinker.asked == []


def test_calls_and_tokens_are_counted() -> None:
    thinker = Counting()  # 50 tokens a call
    assert [Budgeted(thinker, calls=2).think(REQUEST).status for _ in range(1)] == ["ok"]
    by_calls, by_tokens = Budgeted(thinker, calls=2), Budgeted(thinker, tokens=120)
    assert [by_calls.think(REQUEST).status for _ in range(4)] == ["ok", "ok", "skipped", "skipped"]
    assert [by_tokens.think(REQUEST).status for _ in range(4)] == ["ok", "ok", "ok", "skipped"]
    assert by_tokens.spent == (3, 150)


def test_what_comes_out_of_a_cache_costs_nothing(tmp_path) -> None:
    budgeted = Budgeted(Cached(Counting(), tmp_path), calls=1, tokens=1000)
    assert [budgeted.think(REQUEST).status for _ in range(2)] == ["ok", "skipped"]
    cached_first = Cached(Budgeted(Counting(), calls=1), tmp_path / "other.sqlite")
    assert [cached_first.think(REQUEST).status for _ in range(3)] == ["ok", "cached", "cached"]


def test_a_budget_fills_again(monkeypatch) -> None:
    from trivet.thinking import wrappers

    now = [100.0]
    monkeypatch.setattr(wrappers.time, "monotonic", lambda: now[0])
    budgeted = Budgeted(Counting(), calls=1, per_s=60)
    assert [budgeted.think(REQUEST).status for _ in range(2)] == ["ok", "skipped"]
    now[0] += 61
    assert budgeted.think(REQUEST).status == "ok"


@pytest.mark.parametrize(
    "wrong", [{"calls": -1}, {"tokens": -5}, {"calls": 1, "per_s": 0}, {"calls": True}]
)
def test_a_budget_that_means_nothing_is_refused(wrong) -> None:
    with pytest.raises(InvalidInputError):
        Budgeted(Counting(), **wrong)


@pytest.mark.parametrize(
    "query",
    ['"the exact words that I want"', "ERR-4711", "trivet.store.edge", "getUserName", "kedge anchor",
     "for (int i = 0; i < n; i++) {", "SELECT name FROM ships WHERE id = 3", "def main(arguments): pass",
     "https://example.org/a/b", "550e8400-e29b-41d4-a716-446655440000", "word " * 61],
)  # fmt: skip
def test_queries_that_thinking_does_not_help_are_skipped(query: str) -> None:
    thinker = Counting()
    result = Gated(thinker).think(ThinkRequest(query))
    assert result.status == "skipped"
    assert result.reason
    assert thinker.asked == []


@pytest.mark.parametrize(
    "query",
    ["what keeps a ship in place?", "why do wings flutter at high speed", "船を固定するものは何ですか",
     'who said "I have a dream" and when', "ratio of lift to drag (L/D) of a delta wing"],
)  # fmt: skip
async def test_questions_are_thought_about(query: str) -> None:
    gated = Gated(Counting())
    assert gated.think(ThinkRequest(query)).status == "ok"
    assert (await gated.athink(ThinkRequest(query))).status == "ok"


async def test_tasks_may_be_left_out_and_a_policy_may_fail() -> None:
    thinker = Counting()
    gated = Gated(thinker, without=("tool",))
    assert gated.think(ThinkRequest(REQUEST.query, task="tool")).status == "skipped"
    assert (await gated.athink(ThinkRequest(REQUEST.query, task="tool"))).status == "skipped"

    def failing(request: ThinkRequest) -> str:
        raise KeyError("no such rule")

    assert "policy failed" in Gated(thinker, policy=failing).think(REQUEST).reason
    assert thinker.asked == []
    with pytest.raises(InvalidInputError):
        Gated(thinker, without="tool")
